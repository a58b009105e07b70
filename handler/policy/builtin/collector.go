package builtin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"visor/capture/collector"
	"visor/capture/mock"
	"visor/handler/options"
	"visor/handler/policy"
)

// flowConfig is the configuration of an input of type "flow".
type flowConfig struct {
	Port int    `policy:"port" range:"0-65536,cut" help:"UDP port to listen on"`
	Bind string `policy:"bind" help:"IP address to listen on"`
	_    string `policy:"flow_type" values:"sflow netflow ipfix" help:"has no effect: the format of a datagram is recognized from its contents"`
	File string `policy:"pcap_file" type:"file" help:"capture file with the datagrams, in place of listening"`
	FIFO bool   `policy:"allow_fifo" help:"the file may be a named pipe"`
}

// collectorBytes is the maximum of the state of exporters.
const collectorBytes = 20 * mib

func flowInput(name string, live opener[flowConfig]) policy.InputType {
	t := policy.DeclareInput(name, []string{"flow"}, func(c flowConfig, env policy.InputEnv) (policy.Opened, error) {
		if c.File != "" {
			return captureFile(env, c.File, c.FIFO)
		}
		return live(&c, env)
	})
	t.Words.Choices = map[string]string{"flow_type": `invalid flow_type "%s". Supported types: "sflow", "netflow" and "ipfix"`}
	t.FilterKeys, t.Datagrams = nil, true
	return t
}

var errNoBind = errors.New("flow config must specify port and bind")

// Check implements [policy.Checker].
func (c *flowConfig) Check(table policy.Options, found options.Problems) options.Problems {
	_, err := netip.ParseAddr(c.Bind)
	switch {
	case c.File != "" || found.Has("bind", "port", "pcap_file"):
	case c.Bind == "":
		return append(found, options.At(errNoBind, "bind"))
	case c.Port == 0:
		return append(found, options.At(errNoBind, "port"))
	case c.Port > 0xFFFF:
		return append(found, options.At(fmt.Errorf("invalid port: %v; ports are 1 to 65535", table["port"]), "port"))
	case err != nil:
		return append(found, options.At(fmt.Errorf("flow config: bind %q must be an IP address", c.Bind), "bind"))
	}
	return found
}

// Bytes implements [policy.Sizer].
func (c *flowConfig) Bytes(l policy.Limits) int64 {
	return int64(policy.WorkerBytes + collectorBytes + l.Fragments())
}

func (c *flowConfig) address() string { return net.JoinHostPort(c.Bind, strconv.Itoa(c.Port)) }

func (c *flowConfig) listen(policy.InputEnv) (policy.Opened, error) {
	src, err := collector.Listen(collector.Config{Address: c.address()})
	if err != nil {
		return policy.Opened{}, err
	}
	return policy.NewOpened(src), nil
}

// mockConfig is the configuration of an input of type "mock". It fails as a test of pktvisor
// requires.
type mockConfig struct {
	Fail any `policy:"except_on_start" type:"any" help:"the input fails when it starts"`
}

func mockInput(live opener[mockConfig]) policy.InputType {
	t := policy.DeclareInput("mock", []string{"net", "dns", "asks", "flow"}, func(c mockConfig, env policy.InputEnv) (policy.Opened, error) {
		return live(&c, env)
	})
	t.AnyKey = true
	t.Words.Readers = map[string]options.Reader{"except_on_start": func(v any) (any, error) { return v, nil }}
	return t
}

// Verify implements [policy.Verifier].
func (c *mockConfig) Verify() error {
	if c.Fail != nil {
		return errors.New("mock error on start")
	}
	return nil
}

func (c *mockConfig) mock(policy.InputEnv) (policy.Opened, error) {
	if err := c.Verify(); err != nil {
		return policy.Opened{}, err
	}
	return policy.NewOpened(mock.New(mock.Config{})), nil
}
