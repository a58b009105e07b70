// Command customhandler adds an analyzer and an input to visor. It counts ICMP messages by type,
// and unreachable hosts. It uses only public packages, so it also works as a separate module.
// Policies name both like visor's own types, and their options are checked like visor's.
//
//	go run ./examples/customhandler              # the policy in main.go
//	go run ./examples/customhandler policy.yaml  # a policy of yours
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"visor/capture"
	"visor/export"
	"visor/export/prom"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

const usage = `customhandler runs policies that may use its analyzer "icmp" and its input "pings" beside
visor's own, and prints their metrics as JSON and for Prometheus.

Usage:
  customhandler [FILE]

FILE is a document of taps and policies. Policies of a live input run until Ctrl-C. Without FILE this
document runs:
`

const document = `
visor:
  taps:
    made: {input_type: pings, config: {count: 1000}}
  policies:
    reachability:
      kind: collection
      input: {tap: made, input_type: pings}
      handlers:
        modules:
          icmp: {type: icmp, config: {only_errors: false, topn_count: 5}}
`

// types returns visor's inputs and analyzers together with this program's types.
func types() policy.Catalog {
	t := builtin.Catalog()
	t.Inputs = append(t.Inputs, policy.DeclareInput("pings", []string{"net"}, func(cfg PingsConfig, _ policy.InputEnv) (policy.Opened, error) {
		return policy.Opened{Sources: []capture.Source{pings(cfg)}}, nil
	}))
	t.Add(policy.Declare("icmp", "1.0", func(cfg Config, _ policy.Env) (handler.Handler, error) {
		return New(cfg)
	}), "pings", "pcap", "mock") // the inputs of its policies
	return t
}

func main() {
	log.SetFlags(0)
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage, document) }
	flag.Parse()
	text := []byte(document)
	if flag.NArg() > 0 {
		var err error
		text, err = os.ReadFile(flag.Arg(0))
		check(err)
	}
	m := policy.NewManager(policy.ManagerConfig{Types: types()})
	doc, err := m.Types().Parse(text)
	check(err)
	for _, w := range doc.Warnings {
		log.Println("customhandler: warning:", w)
	}
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	check(m.Load(doc))
	for i := range doc.Policies {
		p := m.Policy(doc.Policies[i].Name)
		for i := range p.Parts {
			select {
			case <-p.Parts[i].Ended():
			case <-interrupted.Done():
			}
		}
		snap, err := p.Window(5)
		check(err)
		check(export.WriteJSON(os.Stdout, snap))
		fmt.Println()
		check(prom.WriteText(os.Stdout, export.Families(snap, export.FamilyConfig{})))
	}
	check(m.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal("customhandler: ", err)
	}
}
