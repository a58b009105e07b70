package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"visor/capture"
	"visor/export"
	"visor/geo"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// fitting lists the inputs of policies that can read a type of file.
var fitting = map[string][]string{
	inputPcap:    {"pcap"},
	inputDNSTap:  {"dnstap"},
	inputNetFlow: {"flow", "sflow"},
	inputSFlow:   {"flow", "sflow"},
}

// runPolicies runs the policies of --policy over the input and writes their answers. Each policy
// reads all of the input through the filters of its tap and its input section.
func (j *job) runPolicies(ctx context.Context, db *geo.DB) error {
	doc, err := j.readPolicies()
	if err != nil {
		return err
	}
	hash, err := j.hash()
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	m := policy.NewManager(policy.ManagerConfig{
		Types: builtin.Recordings(), Env: policy.Env{Geo: db}, Hash: hash,
		Logger: slog.New(&inputErrors{j: j}),
		Open: func(typ string, config, only policy.Options) (policy.Opened, error) {
			return j.openFor(typ, config, only, ready)
		},
	})
	defer m.Close()
	err = m.Load(doc)
	close(ready) // all policies are attached, so that none misses the first packets
	j.complain(err)
	var running []*policy.Running
	for _, p := range doc.Policies {
		if r := m.Policy(p.Name); r != nil {
			running = append(running, r)
		}
	}
	for _, r := range running {
		for i := range r.Parts {
			select {
			case <-r.Parts[i].Ended():
			case <-ctx.Done():
				return errors.New("interrupted")
			}
		}
	}
	if misused(errors.Join(j.problems...)) {
		return nil // it was printed
	}
	return j.writePolicies(running)
}

// readPolicies reads the document and adapts it to the input. A policy without its tap gets one,
// and its periods follow --periods. Policies that cannot read the input are problems.
func (j *job) readPolicies() (*policy.Document, error) {
	data, err := os.ReadFile(j.policyFile)
	if err != nil {
		return nil, err
	}
	doc, err := builtin.Recordings().Parse(data)
	for _, w := range doc.Warnings {
		fmt.Fprintln(j.stderr, "visor-reader: warning:", policy.InFile(w, j.policyFile))
	}
	if err != nil {
		return nil, policy.InFile(err, j.policyFile)
	}
	var fit []policy.Policy
	for _, p := range doc.Policies {
		if !slices.Contains(fitting[j.input], p.Input.InputType) {
			j.complain(fmt.Errorf("policy %s needs input of type %s: %s", p.Name, p.Input.InputType, advice(p.Input.InputType)))
			continue
		}
		addTap(doc, &p)
		p.Window = maps.Clone(p.Window)
		if p.Window == nil {
			p.Window = policy.Options{}
		}
		p.Window["num_periods"] = uint64(cmp.Or(j.periods, 1)) // one period for the whole capture
		fit = append(fit, p)
	}
	if j.anonymizeConfig != nil {
		for i := range doc.Taps {
			doc.Taps[i].Anonymize = j.anonymizeConfig
		}
	}
	if doc.Policies = fit; len(fit) == 0 {
		return nil, fmt.Errorf("%s: it has no policy for -i %s", j.policyFile, j.input)
	}
	return doc, nil
}

// advice returns how to run a policy with an input of another type.
func advice(inputType string) string {
	for _, flag := range []string{inputPcap, inputDNSTap, inputNetFlow} {
		if slices.Contains(fitting[flag], inputType) {
			return "run it with -i " + flag
		}
	}
	return "it makes its own events, and a file cannot have them"
}

// addTap adds the tap of p if the document has none: an agent may hold it.
func addTap(doc *policy.Document, p *policy.Policy) {
	in := &p.Input
	if in.Selector != nil && len(doc.Taps) == 0 {
		in.Selector, in.Tap = nil, in.InputType
	}
	has := slices.ContainsFunc(doc.Taps, func(t policy.Tap) bool { return t.Name == in.Tap })
	if in.Selector == nil && !has {
		doc.Taps = append(doc.Taps, policy.Tap{Name: in.Tap, InputType: in.InputType})
	}
}

// openFor opens the files with the configuration of a policy's input, which has filters, networks
// and ports. No frame is delivered until ready is closed. Of the command line, -H and --dns-ports
// apply where the policy has none.
func (j *job) openFor(typ string, config, only policy.Options, ready <-chan struct{}) (policy.Opened, error) {
	var all policy.Opened
	var sources []capture.Source
	for _, name := range j.files {
		o, err := builtin.Recordings().Open(policy.InputEnv{}, typ, recorded(typ, config, name), recorded(typ, only, ""))
		if err != nil {
			return o, errors.Join(err, closeAll(sources))
		}
		all, sources = o, append(sources, o.Sources...)
	}
	src := within(capture.Merge(sources...), j.from, j.to)
	waited := false
	all.Sources = []capture.Source{capture.Filter(src, func(*capture.Frame) (bool, error) {
		if !waited {
			<-ready
			waited = true
		}
		return true, nil
	})}
	if all.Hosts.Empty() {
		all.Hosts = j.hosts
	}
	if len(all.DNSPorts) == 0 {
		all.DNSPorts = j.dnsPorts
	}
	return all, nil
}

func closeAll(sources []capture.Source) (err error) {
	for _, s := range sources {
		err = errors.Join(err, s.Close())
	}
	return err
}

// recorded returns the configuration of an input with a file, if file is not empty, in place of
// where the agent would capture or listen.
func recorded(typ string, config policy.Options, file string) policy.Options {
	out := maps.Clone(config)
	for _, key := range []string{"iface", "pcap_source", "pcap_file", "socket", "tcp", "dnstap_file", "port", "bind"} {
		delete(out, key)
	}
	if file == "" {
		return out
	}
	if out == nil {
		out = policy.Options{}
	}
	key := "pcap_file"
	if typ == "dnstap" {
		key = "dnstap_file"
	}
	out[key] = file
	return out
}

// writePolicies writes the answers of all policies: as the agent's API does in JSON, or as sections
// of text. The account of each input follows, on standard error unless the answer is text.
func (j *job) writePolicies(running []*policy.Running) error {
	answers, lines := make(map[string]*handler.Snapshot), new(strings.Builder)
	var b bytes.Buffer
	for _, r := range running {
		snap, err := j.policyAnswer(r)
		if err != nil {
			return fmt.Errorf("policy %s: %w", r.Policy.Name, err)
		}
		answers[r.Policy.Name] = snap
		for i := range snap.Modules {
			one := *snap
			one.Modules = snap.Modules[i : i+1]
			fmt.Fprintf(&b, "Policy %s, %s\n\n", r.Policy.Name, one.Modules[0].Name)
			if err := export.WriteText(&b, &one, export.TextConfig{Width: j.width, Color: j.color, All: j.all}); err != nil {
				return err
			}
		}
		for i := range r.Parts {
			for _, line := range j.accountOf(&r.Parts[i], snap).Lines() {
				fmt.Fprintf(lines, "policy %s, tap %s: %s\n", r.Policy.Name, r.Parts[i].Tap.Name, line)
			}
		}
	}
	if j.format == formatText {
		b.WriteString(wrapLines(lines.String(), j.width))
		_, err := j.stdout.Write(b.Bytes())
		return err
	}
	fmt.Fprint(j.stderr, lines)
	return export.WritePoliciesJSON(j.stdout, answers)
}

// accountOf returns the account of a policy's input.
func (j *job) accountOf(p *policy.Part, snap *handler.Snapshot) *export.Report {
	r := &export.Report{Account: p.Account(), Reasons: p.Reasons()}
	if j.input == inputDNSTap {
		r.Unit = "messages"
	}
	c := &r.Coverage
	c.Of = r.Account.Offered - r.Account.Filtered - r.Account.Dropped
	c.First, c.Last = p.Span()
	c.Frames, c.From, c.To = c.Of, c.First, c.Last
	if len(snap.Modules) > 0 && j.periods > 1 {
		m := &snap.Modules[0]
		c.Frames, c.From, c.To = m.Frames, m.Start, m.Start.Add(m.Length)
	}
	return r
}

// wrapLines wraps each line of text.
func wrapLines(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(wrap(line, width) + "\n")
	}
	return b.String()
}

func (j *job) policyAnswer(r *policy.Running) (*handler.Snapshot, error) {
	if j.periods > 1 {
		return r.Window(j.periods)
	}
	return r.Bucket(0)
}

// inputErrors is a log handler that reports the errors of inputs as problems of the job.
type inputErrors struct {
	j  *job
	mu sync.Mutex // several inputs run at once
}

func (h *inputErrors) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (h *inputErrors) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := errors.New(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if e, ok := a.Value.Any().(error); ok {
			err = e
		}
		return true
	})
	h.j.complain(err)
	return nil
}

func (h *inputErrors) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *inputErrors) WithGroup(string) slog.Handler      { return h }
