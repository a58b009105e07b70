package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/filter"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
	"visor/export"
	"visor/geo"
	"visor/handler"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/window"
)

// summarise reads the files and writes what they hold. It returns the exit code.
func summarise(ctx context.Context, o options, stdin io.Reader, stdout, stderr io.Writer) int {
	code := exitDone
	complain := func(err error) {
		if err != nil {
			fmt.Fprintln(stderr, "visor-reader:", err)
			code = exitUnread
		}
		if _, ok := errors.AsType[*filter.Error](err); ok {
			code = exitMisused
		}
	}
	db, err := openGeo(o)
	if err != nil {
		complain(err)
		return code
	}
	if db != nil {
		defer db.Close()
	}
	src, err := openInput(ctx, o, stdin)
	if err != nil {
		complain(err)
		return code
	}
	p, err := newPipeline(o, db, src)
	if err != nil {
		src.Close()
		complain(err)
		return code
	}
	show := startProgress(o, p, src, stderr)
	err = p.Run(ctx)
	show.stop(ctx.Err() != nil)
	complain(err)
	if code != exitMisused {
		complain(write(o, p, stdout))
	}
	return code
}

// openGeo returns nil if no database is asked for.
func openGeo(o options) (*geo.DB, error) {
	if o.geoCity == "" && o.geoASN == "" {
		return nil, nil
	}
	return geo.Open(geo.Config{CityPath: o.geoCity, ASNPath: o.geoASN})
}

// openInput returns one source of what is to be analysed.
func openInput(ctx context.Context, o options, stdin io.Reader) (capture.Source, error) {
	src, err := openFiles(ctx, o, stdin)
	if err != nil || o.filter == "" {
		return src, err
	}
	filtered, err := filter.NewSource(src, o.filter)
	if err != nil {
		src.Close()
		return nil, err
	}
	return filtered, nil
}

// openFiles returns one source of all files, in the order of time.
func openFiles(ctx context.Context, o options, stdin io.Reader) (capture.Source, error) {
	var sources []capture.Source
	for _, name := range o.files {
		src, err := openFile(ctx, o.input, name, stdin)
		if err != nil {
			for _, s := range sources {
				s.Close()
			}
			return nil, err
		}
		sources = append(sources, src)
	}
	if len(sources) == 1 {
		return sources[0], nil
	}
	return capture.Merge(sources...), nil
}

// interruptible returns in, or a pipe from it: a Read of a terminal or a pipe that waits would not end with ctx.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return in
		}
	}
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(errors.New("interrupted")) })
	go func() {
		_, err := io.Copy(w, in)
		w.CloseWithError(err)
	}()
	return r
}

func openFile(ctx context.Context, input, name string, stdin io.Reader) (capture.Source, error) {
	switch {
	case input == inputDNSTap && name == "-":
		return dnstap.NewFile(interruptible(ctx, stdin), "standard input")
	case input == inputDNSTap:
		return dnstap.Open(name)
	case name == "-":
		return pcapfile.NewReader(interruptible(ctx, stdin), "standard input")
	}
	return pcapfile.Open(name)
}

func newPipeline(o options, db *geo.DB, src capture.Source) (*handler.Pipeline, error) {
	handlers, err := newHandlers(o, db)
	if err != nil {
		return nil, err
	}
	sources := []capture.Source{src}
	if o.workers > 1 {
		periods := window.NewPeriods(handler.PeriodLength)
		sources = capture.Fanout(src, capture.FanoutConfig{Queues: o.workers, Epoch: periods.Epoch})
	}
	return handler.NewPipeline(handler.Config{
		Sources:  sources,
		Handlers: handlers,
		Hosts:    o.hosts,
		Fallback: gopkt.Fallback{},
	})
}

// newHandlers returns the analyzers of what the input can tell of.
func newHandlers(o options, db *geo.DB) (out []handler.Handler, err error) {
	settings := handler.Settings{Periods: o.periods, DeepSample: o.deepSample}
	add := func(h handler.Handler, problem error) {
		out, err = append(out, h), errors.Join(err, problem)
	}
	if o.input == inputNetFlow || o.input == inputSFlow {
		add(flow.New(flow.Config{Settings: settings, Geo: db}))
		return out, err
	}
	add(network.New(network.Config{Settings: settings, Geo: db}))
	add(dns.New(dns.Config{Settings: settings, Geo: db}))
	if o.input == inputPcap {
		add(dhcp.New(dhcp.Config{Settings: settings}))
		add(bgp.New(bgp.Config{Settings: settings}))
		add(pcap.New(pcap.Config{Settings: settings}))
	}
	return out, err
}

func write(o options, p *handler.Pipeline, stdout io.Writer) error {
	snap, err := p.Window(o.periods)
	if o.periods == 1 {
		snap, err = p.Bucket(0)
	}
	if err != nil {
		return err
	}
	if !o.text {
		return export.WriteJSON(stdout, snap)
	}
	width, terminal := terminalWidth(stdout)
	color := terminal && os.Getenv("NO_COLOR") == "" // https://no-color.org
	return export.WriteText(stdout, snap, export.TextConfig{Width: width, Color: color})
}
