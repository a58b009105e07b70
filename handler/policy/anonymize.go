package policy

import (
	"fmt"
	"io"

	"visor/handler/anonymize"
)

// keyMost is more than the length of a key file.
const keyMost = 1 << 10

// anonymizer returns how the handlers of a policy show the addresses of a tap, or nil for whole
// ones. The setting of the tap precedes the policy's, so that no policy on it can show more.
func (m *Manager) anonymizer(p *Policy, t *Tap) (*anonymize.Method, error) {
	given, open := p.Anonymize, m.keyOpener(p.Posted)
	if t.Anonymize != nil {
		given, open = t.Anonymize, m.keyOpener(t.Posted)
	}
	if given == nil {
		return nil, nil
	}
	cfg := *given
	if cfg.KeyFile != "" && cfg.Key == nil {
		key, err := readKey(open, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("anonymize: key_file: %w", err)
		}
		cfg.Key = key
	}
	return anonymize.New(cfg)
}

// keyOpener returns a function that opens key files. Like captures, those that the API names are
// below a directory.
func (m *Manager) keyOpener(posted bool) opener {
	if posted {
		return below(m.cfg.APIFiles)
	}
	return openFile
}

func readKey(open opener, path string) (*anonymize.Key, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, keyMost))
	if err != nil {
		return nil, err
	}
	key, err := anonymize.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}
