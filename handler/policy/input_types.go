package policy

import (
	"errors"
	"fmt"
	"slices"

	"visor/capture/mock"
	"visor/handler/options"
)

// InputType is a type of inputs for taps.
type InputType struct {
	Name  string
	Feeds []string // types of handlers

	check    func(config, only Options) []*options.Problem // problems of keys that are present
	complete func(config, only Options) error              // problems, including missing keys
	open     func(in Inputs, config, only Options) (Opened, error)
	bytes    func(m *Manager, config Options) int64
	flows    bool // the API shows unreadable datagrams
}

// DeclareInput returns a type of inputs that feeds handlers of some types. Its configuration C is a
// struct. The tags of its fields declare the keys, see package options. A policy's keys override
// the tap's. The function open receives the parsed configuration.
func DeclareInput[C any](name string, feeds []string, open func(C, Inputs) (Opened, error)) InputType {
	read := func(config, only Options) (cfg C, problems []*options.Problem) {
		problems = options.Read(merged(config, only), &cfg, "", options.Dialect{})
		return cfg, problems
	}
	return InputType{
		Name: name, Feeds: feeds,
		check: func(config, only Options) []*options.Problem {
			_, problems := read(config, only)
			return problems
		},
		open: func(in Inputs, config, only Options) (Opened, error) {
			cfg, problems := read(config, only)
			if len(problems) > 0 {
				return Opened{}, problems[0]
			}
			return open(cfg, in)
		},
	}
}

// builtinInputs returns visor's own types of inputs.
func builtinInputs() []InputType {
	collector := InputType{
		Feeds: []string{"flow"}, flows: true, open: func(in Inputs, config, _ Options) (Opened, error) { return in.openFlow(config) },
		check: each(func(config, _ Options) error { _, err := ParseFlowInput(config); return err }),
		bytes: func(m *Manager, _ Options) int64 { return int64(workerBytes + collectorBytes + m.fragments()) },
	}
	flow, sflow := collector, collector
	flow.Name, sflow.Name = "flow", "sflow"
	return []InputType{
		{
			Name: "pcap", Feeds: []string{"net", "dns", "dhcp", "bgp", "pcap"},
			check:    each(func(config, only Options) error { _, err := readPcapInput(merged(config, only)); return err }),
			complete: func(config, only Options) error { _, err := ParsePcapInput(merged(config, only)); return err },
			open:     func(in Inputs, config, only Options) (Opened, error) { return in.openPcap(merged(config, only)) },
			bytes:    (*Manager).pcapBytes,
		},
		{
			Name: "dnstap", Feeds: []string{"net", "dns"}, open: Inputs.openTap, check: each(checkTapInput),
			bytes: func(*Manager, Options) int64 { return workerBytes + dnstapBytes },
		},
		flow, sflow,
		{
			Name: "netprobe", Feeds: []string{"netprobe"},
			check: each(func(config, _ Options) error { _, err := readProbeInput(config); return err }),
			open:  func(_ Inputs, config, _ Options) (Opened, error) { return openProbe(config) },
		},
		{Name: "mock", Feeds: []string{"net", "dns", "flow"}, complete: checkMock, open: openMock},
	}
}

// each wraps a parser that returns its first problem into a check that finds all. It finds the
// other problems without the faulty key.
func each(parse func(config, only Options) error) func(config, only Options) []*options.Problem {
	return func(config, only Options) (problems []*options.Problem) {
		config, only = merged(config), merged(only)
		for {
			wrong, ok := errors.AsType[*options.Problem](parse(config, only))
			if !ok {
				return problems
			}
			problems = append(problems, wrong)
			if config[wrong.Key] == nil && only[wrong.Key] == nil {
				return problems
			}
			delete(config, wrong.Key)
			delete(only, wrong.Key)
		}
	}
}

func checkTapInput(config, only Options) error {
	if _, err := ParseTapFilter(only); err != nil {
		return err
	}
	_, err := ParseTapInput(config)
	return err
}

// checkMock fails as a test of pktvisor requires.
func checkMock(config, _ Options) error {
	if _, fails := config["except_on_start"]; fails {
		return errors.New("mock error on start")
	}
	return nil
}

func openMock(_ Inputs, config, only Options) (Opened, error) {
	if err := checkMock(config, only); err != nil {
		return Opened{}, err
	}
	return live(mock.New(mock.Config{}), nil)
}

// problems returns the problems of keys that are present.
func (t *InputType) problems(config, only Options) []*options.Problem {
	if t == nil || t.check == nil {
		return nil
	}
	return t.check(config, only)
}

// takes reports whether inputs of a type can feed handlers of a type.
func (c *Catalog) takes(input, typ string) bool {
	t := c.input(input)
	return typ == "input_resources" || t != nil && slices.Contains(t.Feeds, typ)
}

// collects reports whether inputs of a type read flow datagrams.
func (c *Catalog) collects(input string) bool {
	t := c.input(input)
	return t != nil && t.flows
}

// refusal is pktvisor's error about a handler that an input cannot feed.
func (c *Catalog) refusal(mod *Module, input string) error {
	return fmt.Errorf("%s: unsupported input event proxy %s", c.analyzer(mod.Type, mod.Version).class, input)
}

// CheckInput checks an input like [Inputs.Open], but opens nothing. The returned source blocks
// until it is closed. A Manager with it as its Open tries a document without side effects.
func (c Catalog) CheckInput(typ string, config, only Options) (Opened, error) {
	t := c.input(typ)
	if t == nil {
		return Opened{}, fmt.Errorf("input type '%s' is not available", typ)
	}
	if err := t.whole(config, only); err != nil {
		return Opened{}, err
	}
	return live(&silent{gone: make(chan struct{})}, nil)
}

// whole returns all problems of an input, including missing keys.
func (t *InputType) whole(config, only Options) error {
	if t.complete != nil {
		return t.complete(config, only)
	}
	if problems := t.problems(config, only); len(problems) > 0 {
		return problems[0]
	}
	return nil
}
