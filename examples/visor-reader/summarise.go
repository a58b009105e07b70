package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"visor/capture"
	"visor/capture/dnstap"
	"visor/capture/filter"
	"visor/capture/pcapfile"
	"visor/export"
	"visor/geo"
	"visor/handler"
	"visor/handler/asks"
	"visor/handler/bgp"
	"visor/handler/dhcp"
	"visor/handler/dns"
	"visor/handler/flow"
	"visor/handler/network"
	"visor/handler/pcap"
	"visor/internal/decompress"
	"visor/sketch/hash64"
)

// job is the state of one summary.
type job struct {
	options
	stdin          io.Reader
	stdout, stderr io.Writer
	problems       []error // errors of files that could not be read, or not to their end
	whole          whole   // the closed periods, merged
	steps          steps   // the closed periods, one by one
	striking       striking
}

// summarise reads the files and writes the summary. It returns the exit code.
func summarise(ctx context.Context, o options, stdin io.Reader, stdout, stderr io.Writer) int {
	j := &job{options: o, stdin: stdin, stdout: stdout, stderr: stderr}
	j.complain(j.run(ctx))
	switch {
	case misused(errors.Join(j.problems...)):
		return exitMisused
	case len(j.problems) > 0:
		return exitUnread
	}
	return exitDone
}

// misuse is an error of the command line that only the input shows.
type misuse struct{ error }

// misused reports whether err is the command line's fault.
func misused(err error) bool {
	_, filters := errors.AsType[*filter.Error](err)
	_, options := errors.AsType[misuse](err)
	return filters || options
}

// complain stores and prints the errors joined in err.
func (j *job) complain(err error) {
	for _, e := range split(err) {
		j.problems = append(j.problems, e)
		fmt.Fprintln(j.stderr, "visor-reader:", export.Readable(e.Error())) // it has names of files
	}
}

// run shows the files that can be read. It returns an error if there is nothing to show.
func (j *job) run(ctx context.Context) error {
	if j.history != "" {
		return j.showHistory(ctx)
	}
	if err := replaceable(j.writeTo); err != nil {
		return err
	}
	if s, err := j.readSnapshots(); s != nil || err != nil {
		if err == nil {
			err = j.showSnapshot(s)
		}
		return err
	}
	db, err := openGeo(j.options)
	if err != nil {
		return err
	}
	if db != nil {
		defer db.Close()
	}
	if j.policyFile != "" {
		return j.runPolicies(ctx, db)
	}
	src, err := j.openInput(ctx)
	if src == nil || err != nil {
		return err
	}
	p, err := j.newPipeline(db, src)
	if err != nil {
		src.Close()
		return err
	}
	show := startProgress(j.options, p, src, j.stderr)
	err = p.Run(ctx)
	show.stop()
	if misused(err) {
		return err
	}
	j.complain(err)
	return j.write(ctx, p)
}

// split returns the errors that are joined in err.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// openGeo returns nil if no database is configured.
func openGeo(o options) (*geo.DB, error) {
	if o.geoCity == "" && o.geoASN == "" {
		return nil, nil
	}
	return geo.Open(geo.Config{CityPath: o.geoCity, ASNPath: o.geoASN})
}

// openInput returns one source for the input, or nil if no file can be opened.
func (j *job) openInput(ctx context.Context) (capture.Source, error) {
	src := j.openFiles(ctx)
	if src == nil {
		return nil, nil
	}
	src = within(src, j.from, j.to)
	if j.filter == "" {
		return src, nil
	}
	filtered, err := filter.NewSource(src, j.filter)
	if err != nil {
		src.Close()
		return nil, err
	}
	return filtered, nil
}

// openFiles returns one source for all files that can be opened, in order of time, or nil. It
// records the others as problems.
func (j *job) openFiles(ctx context.Context) capture.Source {
	var sources []capture.Source
	seen := make(map[string]bool)
	for _, name := range j.files {
		if path, err := filepath.EvalSymlinks(name); err == nil {
			if seen[path] {
				fmt.Fprintf(j.stderr, "visor-reader: warning: %s is read twice, and its packets count twice\n", export.Readable(name))
			}
			seen[path] = true
		}
		src, err := openFile(ctx, j.input, name, j.stdin)
		if err != nil {
			j.complain(err)
			continue
		}
		sources = append(sources, src)
	}
	if len(sources) == 0 {
		return nil
	}
	return capture.Merge(sources...)
}

// captureMagics are the first bytes of captures: pcap in both byte orders, with micro- and
// nanoseconds, and pcapng.
var captureMagics = []uint32{0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a}

// suggest adds to the error of a file what the file seems to be, and what to do with it.
func suggest(err error, input string, beginning []byte) error {
	start := make([]byte, len(snapshotMagic))
	plain, bad := unpacked(bytes.NewReader(beginning))
	if bad != nil {
		return err
	}
	if _, bad := io.ReadFull(plain, start); bad != nil {
		return err
	}
	switch magic := binary.BigEndian.Uint32(start); {
	case string(start) == snapshotMagic:
		return fmt.Errorf("%w; it is a snapshot of visor: write it to a file, and name that as FILE", err)
	case input == inputDNSTap && slices.Contains(captureMagics, magic):
		return fmt.Errorf("%w; it is a capture of packets: leave out -i dnstap", err)
	case input != inputDNSTap && magic == 0: // Frame Streams begin with zeros
		return fmt.Errorf("%w; for a dnstap file use -i dnstap", err)
	}
	return err
}

// maxBeginning is the number of bytes of an input that suggest may see: a block of zstd at least.
const maxBeginning = 256 << 10

// beginning keeps the first bytes of a pipe, because they cannot be read again.
type beginning struct {
	*io.PipeReader
	bytes []byte
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if room := maxBeginning - len(b.bytes); room > 0 {
		b.bytes = append(b.bytes, p[:min(n, room)]...)
	}
	return n, err
}

// beginningOf returns the first bytes of an input that could not be read.
func beginningOf(in io.Reader, name string) []byte {
	switch in := in.(type) {
	case *beginning:
		return in.bytes
	case *os.File:
		return firstBytes(in)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	return firstBytes(f)
}

func firstBytes(f *os.File) []byte {
	out := make([]byte, maxBeginning)
	n, _ := f.ReadAt(out, 0)
	return out[:n]
}

// interruptible returns in, or a *beginning that is fed from it, because ctx cannot interrupt a
// waiting Read of a terminal or a pipe.
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
	return &beginning{PipeReader: r}
}

func openFile(ctx context.Context, input, name string, stdin io.Reader) (capture.Source, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name its files, such as %s", name, filepath.Join(name, "*.pcap"))
	}
	in, label := stdin, decompress.StandardInput
	if name != "-" {
		in, label = special(name), name
	}
	if in != nil {
		in = interruptible(ctx, in)
	}
	src, err := openAs(input, in, label)
	if err != nil {
		return nil, suggest(err, input, beginningOf(in, name))
	}
	return src, nil
}

// openAs opens an input: in, or without it a file.
func openAs(input string, in io.Reader, name string) (capture.Source, error) {
	switch {
	case input == inputDNSTap && in != nil:
		return dnstap.NewFile(in, name)
	case input == inputDNSTap:
		return dnstap.Open(name)
	case in != nil:
		return pcapfile.NewReader(in, name)
	}
	return pcapfile.Open(name)
}

// special returns a reader of a named pipe or a device. The first Read opens it, because that may
// wait too. special returns nil if name is neither.
func special(name string) io.Reader {
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() {
		return nil // Open returns the error
	}
	return &lateFile{name: name}
}

type lateFile struct {
	name string
	file *os.File
}

func (f *lateFile) Read(p []byte) (n int, err error) {
	if f.file == nil {
		if f.file, err = os.Open(f.name); err != nil {
			return 0, err
		}
	}
	return f.file.Read(p)
}

func (j *job) newPipeline(db *geo.DB, src capture.Source) (*handler.Pipeline, error) {
	o := j.options
	handlers, err := newHandlers(o, db)
	if err != nil {
		return nil, err
	}
	hash, err := j.hash()
	if err != nil {
		return nil, err
	}
	return handler.NewPipeline(handler.Config{
		Hash:     hash,
		Sources:  []capture.Source{src},
		Workers:  o.workers,
		Handlers: handlers,
		Hosts:    o.hosts,
		Period:   o.step,
		Closed:   j.closed(),
		DNSPorts: o.dnsPorts,
		// The capture comes from a trusted source, so every proxy in it is accepted.
		ProxyFrom: []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	})
}

// hash returns the hasher with the key of --hash-key, or the public one. With --anonymize it is a
// random one: with a public key, a program that tries all addresses could find them.
func (j *job) hash() (*hash64.Hasher, error) {
	switch {
	case j.hashKey == "" && j.anonymize != nil:
		return hash64.Random(), nil
	case j.hashKey == "":
		return hash64.Fixed(), nil
	}
	key, err := hash64.ReadKey(j.hashKey)
	if err != nil {
		return nil, err
	}
	return hash64.New(key), nil
}

// closed returns the receiver of closed periods, or nil if only the last ones are shown.
func (j *job) closed() func(*handler.Snapshot) {
	switch {
	case j.step > 0:
		j.steps = steps{out: j.stdout, format: j.format, step: j.step, width: j.width}
		return j.steps.add
	case j.periods == 0:
		return func(s *handler.Snapshot) {
			j.striking.add(s)
			j.whole.add(s)
		}
	}
	return nil
}

// newHandlers returns the analyzers for the type of input.
func newHandlers(o options, db *geo.DB) (out []handler.Handler, err error) {
	// the whole needs the live period and one that is being merged
	settings := handler.Settings{
		Periods: cmp.Or(o.periods, 2), DeepSample: o.deepSample, TopN: o.top, PktvisorGroups: o.format == formatPktvisor,
		Anonymize: o.anonymize,
	}
	add := func(h handler.Handler, problem error) {
		out, err = append(out, h), errors.Join(err, problem)
	}
	if o.question != (asks.Question{}) {
		cfg, bad := o.question.Config()
		cfg.Settings = settings
		h, bad2 := asks.New(cfg)
		add(h, errors.Join(bad, bad2))
		return out, err
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
