package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"visor/export/alert"
	"visor/export/history"
	"visor/export/otlp"
	"visor/geo"
	"visor/handler"
	"visor/handler/flow"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
)

// drainTime is how long pending requests may take at the end.
const drainTime = 5 * time.Second

// agent is the running program.
type agent struct {
	o       options
	log     *slog.Logger
	sink    *logSink
	manager *policy.Manager
	history *history.Store    // nil without one
	setups  *setups           // nil without history
	alerts  *alert.Dispatcher // nil without receivers
	push    *otlp.Pusher      // nil if metrics are not pushed
	server  *http.Server
	files   fileHelper
	memory  memory
	ending  atomic.Bool
	closers []func()       // called at the end, the last first
	lost    error          // of closeHistory
	started policy.Options // of the configuration file
}

// runAgent runs an agent until ctx is done or a client of the API stops it.
func runAgent(ctx context.Context, o options, sink *logSink, log *slog.Logger) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a := &agent{o: o, log: log, sink: sink, started: o.doc.Config}
	defer func() {
		a.close()
		err = errors.Join(err, a.lost)
	}()
	if err := a.open(); err != nil {
		return err
	}
	if err := a.load(); err != nil {
		return err
	}
	defer a.files.stop()
	listener, err := a.listen(stop)
	if err != nil {
		return err
	}
	defer listener.Close()
	if o.user != "" {
		if err := becomeUser(o.user); err != nil {
			return err
		}
		log.Info("became user " + o.user)
	}
	return a.serve(ctx, listener)
}

// open opens the resources of policies, and the manager that runs them.
func (a *agent) open() error {
	env, closeGeo, err := environment(a.o, a.log)
	if err != nil {
		return err
	}
	a.atEnd(closeGeo)
	if err := a.bound(); err != nil {
		return err
	}
	if a.push, err = a.pusher(); err != nil {
		return err
	}
	sockets, err := socketsHandedOver(a.log)
	if err != nil {
		return err
	}
	root, err := openRoot(a.o.apiFiles)
	if err != nil {
		return fmt.Errorf("--api-files: %w", err)
	}
	if root != nil {
		a.atEnd(func() { _ = root.Close() }) // its files were only read
	}
	cfg, err := a.openStores()
	if err != nil {
		return err
	}
	cfg.Types, cfg.Env = builtin.Catalog(), env
	cfg.Period, cfg.Periods, cfg.DeepSample = a.o.period, a.o.periods, a.o.deepSample
	cfg.Memory, cfg.Socket, cfg.APIFiles = a.memory.work, sockets.listen, root
	cfg.Logger, cfg.Ended = a.log, a.ended
	a.manager = policy.NewManager(cfg)
	a.atEnd(func() { _ = a.manager.Close() }) // it returns nil
	a.atEnd(a.suspendAlerts)
	return nil
}

// openStores opens the history and the receivers of alerts. It returns the part of the manager's
// configuration that feeds them.
func (a *agent) openStores() (cfg policy.ManagerConfig, err error) {
	if err := a.openHistory(); err != nil {
		return cfg, err
	}
	a.atEnd(a.closeHistory)
	if a.history != nil {
		cfg.Closed, cfg.Past = a.remember, a.past
		if a.setups, err = openSetups(a.o.historyDirectory()); err != nil {
			a.log.Error("the setups of policies are lost: findings compare with new periods alone", "file", a.setups.path, "error", err)
		}
	}
	if cfg.Hash, err = a.hasher(); err != nil {
		return cfg, err
	}
	a.log.Info("hash key " + cfg.Hash.ID().String())
	if err := a.openAlerts(); err != nil {
		return cfg, err
	}
	a.atEnd(a.closeAlerts)
	if a.alerts != nil {
		cfg.Found = a.alerts.Add
	}
	return cfg, nil
}

// atEnd has close call f.
func (a *agent) atEnd(f func()) { a.closers = append(a.closers, f) }

// close closes what open has opened, the last first.
func (a *agent) close() {
	for _, f := range slices.Backward(a.closers) {
		f()
	}
}

// bound divides the memory limit.
func (a *agent) bound() error {
	limit, err := memoryLimit(a.o.memory, os.DirFS("/"))
	if err != nil {
		return err
	}
	if a.memory = shareOut(limit); limit > 0 {
		a.memory.apply()
		a.log.Info(fmt.Sprintf("memory limit %s, inputs and policies may hold %s", mebibytes(limit), mebibytes(a.memory.work)))
	}
	return nil
}

// openRoot opens the directory in which the API may read files. It returns nil without one.
func openRoot(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, nil
	}
	return os.OpenRoot(dir)
}

// environment opens the databases.
func environment(o options, log *slog.Logger) (env policy.Env, closeAll func(), err error) {
	closeAll = func() {}
	city, asn := cmp.Or(o.geoCity, o.defaultGeoCity), cmp.Or(o.geoASN, o.defaultGeoASN)
	if city != "" || asn != "" {
		cache := o.geoCache
		if cache == 0 {
			cache = -1
		}
		if env.Geo, err = geo.Open(geo.Config{CityPath: city, ASNPath: asn, CacheSize: cache, Logger: log}); err != nil {
			return env, closeAll, err
		}
		closeAll = func() { _ = env.Geo.Close() } // the files were only read
	}
	if path := cmp.Or(o.services, o.defaultServices); path != "" {
		if env.Services, err = flow.OpenServices(path); err != nil {
			closeAll()
			return env, closeAll, err
		}
	}
	return env, closeAll, nil
}

// load loads the configuration file and creates the default policy. It skips a policy of the file
// that cannot start, unless no other policy runs or the options are strict.
func (a *agent) load() error {
	err := a.manager.Load(a.o.doc)
	failed, some := errors.AsType[policy.StartErrors](err)
	if err != nil && (!some || a.o.strict) {
		return err
	}
	for _, e := range failed {
		a.log.Error(advised(e))
	}
	if a.o.iface != "" {
		if err := a.manager.AddTap(defaultTap(a.o)); err != nil {
			return err
		}
		_, err := a.manager.AddPolicy(defaultPolicy(a.o))
		return err
	}
	if len(failed) > 0 && !a.o.adminAPI && len(a.manager.Policies()) == 0 {
		return errors.New("no policy runs")
	}
	return nil
}

// mockInterface is the name of an interface with generated traffic.
const mockInterface = "mock"

// defaultTap returns pktvisord's default tap with all its keys.
func defaultTap(o options) policy.Tap {
	config := policy.Options{"iface": o.iface, "host_spec": o.hostSpec}
	if o.iface == mockInterface {
		config["pcap_source"] = "mock"
	}
	return policy.Tap{Name: "default", InputType: "pcap", Config: config}
}

// defaultPolicy returns pktvisord's default policy. Its input always has a key for the filter, so
// that no other policy shares the input. Metric groups that pktvisor lacks are on.
func defaultPolicy(o options) policy.Policy {
	return policy.Policy{
		Name: "default", Input: policy.Input{Tap: "default", InputType: "pcap", Config: policy.Options{"bpf": o.bpf}},
		Window: policy.Options{"num_periods": uint64(o.periods), "deep_sample_rate": uint64(o.deepSample)},
		Modules: []policy.Module{
			{Name: "net", Type: "net", Own: true}, {Name: "dhcp", Type: "dhcp", Own: true},
			{Name: "dns", Type: "dns", Own: true}, {Name: "pcap_stats", Type: "pcap", Own: true},
		},
	}
}

// otelForms are the values of --otel-metrics.
var otelForms = map[string]otlp.Form{"pktvisor": otlp.Periods, "cumulative": otlp.Cumulative, "both": otlp.Both}

// pusher returns the pusher of metrics, or nil.
func (a *agent) pusher() (*otlp.Pusher, error) {
	if !a.o.otel {
		return nil, nil
	}
	cfg := otlp.Config{
		Interval: time.Duration(a.o.otelInterval) * time.Second, Drain: a.o.otelDrain, Pending: a.memory.answers, Logger: a.log, Sources: a.sources,
		Form: otelForms[a.o.otelMetrics],
	}
	if cfg.Form != otlp.Periods { // agents must not add to one another's sums
		cfg.Resource = map[string]string{"service.name": "visord", "service.instance.id": a.origin().Agent}
	}
	u := url.URL{Scheme: a.o.otelProtocol, Host: net.JoinHostPort(a.o.otelHost, strconv.Itoa(int(a.o.otelPort)))}
	if a.o.otelProtocol == "http" {
		u.Path = a.o.otelPath
	}
	if a.o.otelTLS {
		u.Scheme += "s"
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if a.o.otelCert != "" {
			cert, err := tls.LoadX509KeyPair(a.o.otelCert, a.o.otelKey)
			if err != nil {
				return nil, fmt.Errorf("invalid TLS configuration: %w", err)
			}
			cfg.TLS.Certificates = []tls.Certificate{cert}
		}
	}
	cfg.Endpoint = u.String()
	return otlp.New(cfg)
}

// sources returns all policies except temporary ones with a lease.
func (a *agent) sources() (out []otlp.Source) {
	for _, p := range a.manager.Policies() {
		if p.Policy.Lease == 0 {
			out = append(out, otlp.Source{Policy: p.Policy.Name, Of: p})
		}
	}
	return out
}

// ended pushes the remaining counts of a policy that ended.
func (a *agent) ended(p *policy.Running) {
	if a.push != nil && p.Policy.Lease == 0 {
		a.push.Last(otlp.Source{Policy: p.Policy.Name, Of: p})
	}
}

// serve serves requests until ctx is done. Then it notifies systemd, completes pending requests,
// and pushes the remaining metrics.
func (a *agent) serve(ctx context.Context, l net.Listener) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, hangup...)
	defer signal.Stop(hangups)
	var working sync.WaitGroup
	serving, pushing := make(chan error, 1), make(chan error, 1)
	working.Go(func() {
		if a.o.tls {
			serving <- a.server.ServeTLS(l, "", "")
			return
		}
		serving <- a.server.Serve(l)
	})
	working.Go(func() {
		if a.push == nil {
			pushing <- nil
			return
		}
		pushing <- a.push.Run(ctx)
	})
	a.log.Info("web server listening on " + net.JoinHostPort(a.o.host, portOf(l)))
	notify("READY=1")
	tellParent(nil)
	for {
		select {
		case <-hangups:
			a.reload()
			continue
		case <-ctx.Done():
		case err := <-serving:
			return err // the server only ends by itself after an error
		}
		break
	}
	a.log.Info("Shutting down")
	notify("STOPPING=1")
	a.ending.Store(true)
	deadline, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := a.server.Shutdown(deadline); err != nil {
		_ = a.server.Close() // disconnects clients that did not read their answer in time
	}
	if err := <-pushing; err != nil {
		a.log.Warn(err.Error()) // an unreachable receiver is not a failure of visord
	}
	working.Wait()
	return nil
}

// origin names this agent in snapshots.
func (a *agent) origin() handler.Origin {
	name := a.o.instance
	if name == "" {
		name, _ = os.Hostname() // without a name the snapshots have none
	}
	return handler.Origin{Agent: name, Program: "visord " + version()}
}

// reload reads the configuration file again and applies changes of taps and policies.
func (a *agent) reload() {
	notify("RELOADING=1")
	defer notify("READY=1")
	if err := a.sink.reopen(); err != nil {
		a.log.Error("log file cannot be opened again", "error", err)
	}
	a.manager.Retry()
	if a.o.config == "" {
		return
	}
	next, err := readConfig(a.o.config)
	if next != nil {
		warnings := a.o.warningsOf(next)
		for _, w := range warnings {
			a.log.Warn(policy.InFile(w, a.o.config).Error())
		}
		if err == nil && a.o.strict && len(warnings) > 0 {
			err = policy.InFile(warnings[0], a.o.config)
		}
	}
	if err == nil && next.Policies == nil && len(a.o.doc.Policies) > 0 {
		err = policy.InFile(errors.New("all policies would end, because the section 'policies' is missing; 'policies: {}' ends them"), a.o.config)
	}
	if err == nil {
		err = a.apply(next)
	}
	if err != nil {
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			a.log.Error("configuration is not reloaded", "error", problem)
		}
	}
}

// apply applies a document that was read again. It returns an error if nothing has changed.
func (a *agent) apply(next *policy.Document) error {
	err := a.manager.Reload(next)
	failed, some := errors.AsType[policy.StartErrors](err)
	if err != nil && !some {
		return err
	}
	a.reloadAlerts(next)
	a.warnChanged(next.Config)
	a.o.doc = next
	for _, e := range failed {
		a.log.Error(advised(e))
	}
	if len(failed) > 0 {
		a.log.Error("configuration reloaded in part from " + a.o.config + ": policies with errors run on as they were, or not at all")
		return nil
	}
	a.log.Info("configuration reloaded from " + a.o.config)
	return nil
}

// warnChanged warns about options that differ from those at the start.
func (a *agent) warnChanged(next policy.Options) {
	keys := make(map[string]bool)
	for _, of := range []policy.Options{a.started, next} {
		for key := range of {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if slices.Contains(a.o.configKeys, key) && fmt.Sprint(a.started[key]) != fmt.Sprint(next[key]) {
			a.log.Warn("visor.config." + key + " has changed: that needs a restart")
		}
	}
}

// advised returns the text of an error about a policy, with the option that helps.
func advised(err error) string {
	if errors.Is(err, policy.ErrMemory) {
		return err.Error() + "; --memory-limit sets the limit of the process, twice as much"
	}
	return err.Error()
}
