package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"visor/capture"
	"visor/handler"
)

// progress shows the progress on a terminal, or every second with -v.
type progress struct {
	out      io.Writer
	terminal bool
	verbose  bool
	pipeline *handler.Pipeline
	src      capture.Source
	began    time.Time
	shown    bool
	quit     chan struct{}
	done     sync.WaitGroup
}

func startProgress(o options, p *handler.Pipeline, src capture.Source, out io.Writer) *progress {
	_, terminal := terminalWidth(out)
	pr := &progress{out: out, terminal: terminal, verbose: o.verbose, pipeline: p, src: src, began: time.Now(), quit: make(chan struct{})}
	if terminal || o.verbose {
		pr.done.Go(pr.run)
	}
	return pr
}

func (p *progress) run() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.show()
		case <-p.quit:
			return
		}
	}
}

// stop ends the display. With -v it shows the duration.
func (p *progress) stop() {
	close(p.quit)
	p.done.Wait()
	if p.shown && p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	if p.verbose {
		fmt.Fprintf(p.out, "processed %d packets in %.2f s\n", p.pipeline.Account().Offered, time.Since(p.began).Seconds())
	}
}

// show prints one line: share done, packets, rate, time left.
func (p *progress) show() {
	p.shown = true
	elapsed := time.Since(p.began).Seconds()
	n := float64(p.pipeline.Account().Offered)
	line := fmt.Sprintf("%.1f M packets  %.2f M/s", n/1e6, n/elapsed/1e6)
	if done, total := capture.ProgressOf(p.src); done > 0 && total > 0 {
		left := elapsed * float64(total-done) / float64(done)
		line = fmt.Sprintf("%3d %%  %s  %.0f s left", 100*done/total, line, left)
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}
