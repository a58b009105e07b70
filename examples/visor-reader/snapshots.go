package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"visor/export"
	"visor/handler"
	"visor/internal/atomicfile"
	"visor/internal/decompress"
)

// snapshotMagic begins a snapshot, after any decompression.
const snapshotMagic = "vsnap"

// maxSnapshot bounds the bytes of a snapshot that is read.
const maxSnapshot = 256 << 20

// openSnapshot returns a reader of a file that holds a snapshot, or nil if the file holds something
// else or cannot be read. What is wrong then shows when it is opened as a capture.
func openSnapshot(name string) io.ReadCloser {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	plain, err := unpacked(f)
	if err != nil {
		f.Close()
		return nil
	}
	content := bufio.NewReader(plain)
	if magic, _ := content.Peek(len(snapshotMagic)); string(magic) != snapshotMagic {
		f.Close()
		return nil
	}
	return struct {
		io.Reader
		io.Closer
	}{content, f}
}

// unpacked returns the decompressed contents of in.
func unpacked(in io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(in)
	head, _ := buffered.Peek(decompress.MagicLen) // a short file has a short head
	if open := decompress.Detect(head); open != nil {
		return open(buffered)
	}
	return buffered, nil
}

// readSnapshots merges the files if they are snapshots. It returns nil if none is one.
func (j *job) readSnapshots() (*handler.Snapshot, error) {
	var merger handler.Merger
	var captures []string
	var names names
	found := false
	for _, name := range j.files {
		in := openSnapshot(name)
		if in == nil {
			captures = append(captures, name)
			continue
		}
		found = true
		data, err := io.ReadAll(io.LimitReader(in, maxSnapshot))
		in.Close()
		if err == nil {
			var s *handler.Snapshot
			if s, err = handler.ReadSnapshot(data); err == nil {
				names.plain(s)
				err = merger.Add(s, handler.Origin{})
			}
		}
		if err != nil {
			j.complain(fmt.Errorf("%s: %w", name, err))
		}
	}
	late := j.among(append([]string{"from", "to", "step"}, countingOptions...))
	switch {
	case !found:
		return nil, nil
	case late != "":
		return nil, misuse{fmt.Errorf("%s cannot change a snapshot, which has been counted already", late)}
	case len(captures) > 0:
		return nil, fmt.Errorf("%s: not a snapshot; snapshots and captures cannot be read together: write a snapshot of the capture with --write-snapshot first", captures[0])
	}
	s := merger.Snapshot()
	if s == nil {
		return nil, errors.New("no snapshot could be read")
	}
	return s, nil
}

// names names modules so that captures and agents merge, on whatever taps these count. An agent has
// the names of the policy and of the tap in the names of modules.
type names struct {
	policy string // the first policy. Others may count the same packets, so they do not merge
}

// plain names each module of s by its kind, unless s has two of that kind.
func (n *names) plain(s *handler.Snapshot) {
	kinds := make(map[string]int)
	for i := range s.Modules {
		kinds[kind(&s.Modules[i])]++
	}
	for i := range s.Modules {
		m := &s.Modules[i]
		policy, one := policyOf(m)
		n.policy = cmp.Or(n.policy, policy)
		if one && (policy == "" || policy == n.policy) && kinds[kind(m)] == 1 {
			m.Name = kind(m)
		}
	}
}

// kind returns the type of a module, with its version unless that is 1.0.
func kind(m *handler.Module) string { return strings.TrimSuffix(m.Type+"-"+m.Version, "-1.0") }

// policyOf returns the policy that counted a module, "" for a capture, or false if several did.
func policyOf(m *handler.Module) (policy string, one bool) {
	for i := range m.Counted {
		if i > 0 && m.Counted[i].Policy != policy {
			return "", false
		}
		policy = m.Counted[i].Policy
	}
	return policy, true
}

// showSnapshot writes merged snapshots, and what is in them.
func (j *job) showSnapshot(s *handler.Snapshot) error {
	if j.writeTo != "" {
		j.complain(j.writeSnapshot(s))
	}
	for i := range s.Modules {
		s.Modules[i].TopN = j.top
	}
	if j.format == formatRSSAC {
		return j.writeRSSAC(s)
	}
	if j.format != formatText {
		if err := export.WriteJSON(j.stdout, s); err != nil {
			return err
		}
		for _, line := range contents(s, false) {
			fmt.Fprintln(j.stderr, "visor-reader:", line)
		}
		return nil
	}
	var b bytes.Buffer
	if err := export.WriteText(&b, s, export.TextConfig{Width: j.width, Color: j.color, All: j.all}); err != nil {
		return err
	}
	for _, line := range contents(s, true) {
		b.WriteString(wrap(line, j.width) + "\n")
	}
	_, err := j.stdout.Write(b.Bytes())
	return err
}

// contents returns the origins of the modules, their times, and what is missing. Text has a part of
// the latter already.
func contents(s *handler.Snapshot, inText bool) (lines []string) {
	modules := make(map[string][]string) // by origin and time
	var origins []string
	for i := range s.Modules {
		for _, c := range s.Modules[i].Counted {
			o := origin(&c) + ": " + spans(c.Spans)
			if modules[o] == nil {
				origins = append(origins, o)
			}
			modules[o] = append(modules[o], s.Modules[i].Name)
		}
	}
	for _, o := range origins {
		lines = append(lines, strings.Join(modules[o], ", ")+" of "+o)
	}
	for i := range s.Modules {
		m := &s.Modules[i]
		if len(m.LeftOut) > 0 && !inText {
			lines = append(lines, fmt.Sprintf("%s lacks what did not merge, because it was hashed under several keys or is unknown to this program: %s",
				m.Name, strings.Join(m.LeftOut, ", ")))
		}
		if len(m.Partial) > 0 {
			lines = append(lines, fmt.Sprintf("%s has for a part of the time or hosts only: %s", m.Name, strings.Join(m.Partial, ", ")))
		}
	}
	return append(append(lines, export.BoundLines(export.Bounds(s))...), input(&s.Input)...)
}

// maxReasons bounds the number of reasons in text.
const maxReasons = 8

// input returns the outcome of the input, if it is known.
func input(in *handler.Input) (lines []string) {
	for i, r := range in.Reasons {
		if i == maxReasons {
			lines = append(lines, fmt.Sprintf("%d more reasons", len(in.Reasons)-maxReasons))
			break
		}
		lines = append(lines, fmt.Sprintf("left out: %s (%d)", export.Readable(r.Text), r.Count))
	}
	if a := in.Account; a.Offered > 0 {
		lines = append(lines, fmt.Sprintf("input: %d frames: %d analysed, %d filtered, %d not sampled, %d undecodable, %d dropped",
			a.Offered, a.Analysed, a.Filtered, a.NotSampled, a.Undecodable, a.Dropped))
	}
	return lines
}

// origin names what counted.
func origin(c *handler.Counted) string {
	name := cmp.Or(c.Agent, "an agent without a name")
	if c.Policy != "" {
		name += ", policy " + c.Policy
	}
	if c.Program != "" {
		name += ", " + c.Program
	}
	return export.Readable(name)
}

// maxSpans bounds the intervals of a line.
const maxSpans = 4

// spans writes intervals of time.
func spans(list []handler.Interval) string {
	var parts []string
	for i, s := range list {
		if i == maxSpans {
			parts = append(parts, fmt.Sprintf("and %d more intervals", len(list)-maxSpans))
			break
		}
		parts = append(parts, s.Start.UTC().Format(time.DateTime)+" to "+s.End.UTC().Format(time.DateTime))
	}
	if len(parts) == 0 {
		return "nothing yet"
	}
	return strings.Join(parts, ", ") + " UTC"
}

// replaceable returns an error if a file is there that is not a snapshot, such as a capture that a
// shell put in the place of the name. "" stands for none.
func replaceable(name string) error {
	info, err := os.Stat(name)
	if name == "" || err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	in := openSnapshot(name)
	if in == nil {
		return misuse{fmt.Errorf("--write-snapshot %s: the file is there and cannot be read as a snapshot", name)}
	}
	return in.Close()
}

// writeSnapshot writes s to the file of --write-snapshot, compressed. The file appears when it is
// complete.
func (j *job) writeSnapshot(s *handler.Snapshot) error {
	names := make([]string, 0, len(j.files))
	for _, name := range j.files {
		names = append(names, filepath.Base(name))
	}
	by := handler.Origin{Agent: strings.Join(names, " "), Program: "visor-reader " + version()}
	data, err := s.AppendBinary(nil, by, handler.DefaultEntries)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return err
	}
	defer enc.Close()
	if err := atomicfile.Write(j.writeTo, enc.EncodeAll(data, nil)); err != nil {
		return fmt.Errorf("--write-snapshot: %w", err)
	}
	return nil
}
