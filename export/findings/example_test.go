package findings_test

import (
	"context"
	"fmt"
	"time"

	"visor/capture"
	"visor/export/findings"
	"visor/handler"
	"visor/handler/dns"
	"visor/internal/packettest"
)

// attack returns a source of queries for names that do not exist, 300 in a minute. In a program,
// frames come from a network interface or from the server itself.
func attack() capture.Source {
	var frames []capture.Frame
	for i := range 300 {
		at := time.Duration(i) * 100 * time.Millisecond
		q := packettest.Query(uint16(i), fmt.Sprintf("%08x.example.com", uint32(i)*2654435769), 1)
		frames = append(frames,
			packettest.UDP(at, fmt.Sprintf("10.0.0.%d:5000", i%200), "192.0.2.53:53", q),
			packettest.UDP(at+1e6, "192.0.2.53:53", fmt.Sprintf("10.0.0.%d:5000", i%200), packettest.Reply(q, 3, 0)))
	}
	return capture.NewMemory(frames)
}

// A program acts on findings while its pipeline runs.
func ExampleWatcher() {
	queries, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	watcher, err := findings.NewWatcher(findings.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	act := func(changes []findings.Finding) {
		for _, f := range changes {
			fmt.Println(f.Severity, f.Kind, f.Subject, "resolved:", f.Resolved)
		}
	}
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{attack()}, Handlers: []handler.Handler{queries},
		Closed: func(s *handler.Snapshot) { act(watcher.Add(s)) }, // once a minute
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	act(watcher.End())
	// Output:
	// attack random_labels example.com resolved: false
	// attack random_labels example.com resolved: true
}

// A program looks at the closed periods of a recording.
func ExampleFind() {
	h, err := dns.New(dns.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var periods []*handler.Snapshot
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{attack()}, Handlers: []handler.Handler{h},
		Closed: func(s *handler.Snapshot) { periods = append(periods, s) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	found, err := findings.Find(findings.Config{}, periods...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range found {
		fmt.Println(f.Severity, f.Subject)
		fmt.Println(f.Text)
	}
	// Output:
	// attack example.com
	// Random labels below example.com: 10 queries per second for about 284 distinct names in 29 seconds, 100 % of these with an error or no reply.
}
