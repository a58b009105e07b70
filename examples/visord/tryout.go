package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// tryOut prints what a configuration file would run, and its problems. It returns the exit code. It
// opens nothing.
func tryOut(o options, stdout io.Writer) int {
	for _, w := range o.warnings {
		fmt.Fprintln(stdout, "warning:", w)
	}
	limit, err := memoryLimit(o.memory, os.DirFS("/"))
	if err != nil {
		fmt.Fprintln(stdout, "error:", err)
		return exitMisuse
	}
	m := policy.NewManager(policy.ManagerConfig{
		Types:   builtin.Catalog(),
		Periods: o.periods, DeepSample: o.deepSample, Open: builtin.Catalog().CheckInput, Logger: slog.New(slog.DiscardHandler), Memory: shareOut(limit).work,
	})
	defer m.Close()
	err = m.Load(o.doc)
	for _, t := range m.Taps() {
		fmt.Fprintf(stdout, "tap %s: %s\n", t.Name, t.InputType)
	}
	for _, p := range o.doc.Policies {
		if r := m.Policy(p.Name); r != nil {
			fmt.Fprintf(stdout, "policy %s: %s\n", p.Name, strings.Join(parts(r), "; "))
		}
	}
	if len(o.doc.Policies) == 0 {
		fmt.Fprintln(stdout, "no policy: visord needs --admin-api or IFACE beside this file")
	}
	failed, some := errors.AsType[policy.StartErrors](err)
	if err != nil && !some {
		failed = append(failed, err)
	}
	for _, e := range failed {
		for problem := range strings.SplitSeq(advised(policy.InFile(e, o.config)), "\n") {
			fmt.Fprintln(stdout, "error:", problem)
		}
	}
	if err != nil {
		return exitMisuse
	}
	return exitDone
}

// parts lists the handlers of a policy by tap.
func parts(r *policy.Running) (out []string) {
	for i := range r.Parts {
		p := &r.Parts[i]
		var handlers []string
		for _, m := range r.Policy.Modules {
			handlers = append(handlers, m.Name+" ("+m.Type+")")
		}
		out = append(out, fmt.Sprintf("tap %s, handlers %s", p.Tap.Name, strings.Join(handlers, ", ")))
	}
	return out
}
