package findings

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"visor/export"
	"visor/handler"
	"visor/handler/metric"
	"visor/sketch/hash64"
)

// Watcher finds what stands out in the periods of one policy, one after another. Its memory is
// bounded. It is owned by one goroutine.
type Watcher struct {
	cfg     Config
	allow   allowed
	streams map[string]*stream // by module
	active  []*episode         // fired, and not resolved
}

// maxActive bounds the episodes of a Watcher, and the candidates of a module.
const maxActive = 256

// NewWatcher returns a Watcher, or an error that lists the problems in cfg.
func NewWatcher(cfg Config) (*Watcher, error) {
	cfg = cfg.withDefaults()
	if problems := cfg.problems(); len(problems) > 0 {
		return nil, fmt.Errorf("findings: %w", errors.Join(problems.Unwrap()...))
	}
	return &Watcher{cfg: cfg, allow: newAllowed(&cfg), streams: make(map[string]*stream)}, nil
}

// Find returns all episodes in the periods of one policy, in the order of their beginning. The
// periods must be in order of time. Those that still last at the end are not resolved.
func Find(cfg Config, periods ...*handler.Snapshot) ([]Finding, error) {
	w, err := NewWatcher(cfg)
	if err != nil {
		return nil, err
	}
	var all Collector
	for _, s := range periods {
		all.Add(w.Add(s))
	}
	return all.Findings(w), nil
}

// Collector collects the episodes of a Watcher. The zero Collector is ready to use.
type Collector struct {
	resolved []Finding
}

// maxCollected bounds the resolved episodes of a Collector.
const maxCollected = 4096

// Add adds the changes that [Watcher.Add] returned.
func (c *Collector) Add(changes []Finding) {
	for _, f := range changes {
		if f.Resolved && len(c.resolved) < maxCollected {
			c.resolved = append(c.resolved, f)
		}
	}
}

// Findings returns all episodes in the order of their beginning: the resolved ones, at most 4096,
// and the ones of w that last.
func (c *Collector) Findings(w *Watcher) []Finding {
	out := append(slices.Clone(c.resolved), w.Active()...)
	slices.SortStableFunc(out, func(a, b Finding) int { return a.Since.Compare(b.Since) })
	return out
}

// stream is the state of one module.
type stream struct {
	typ, version string
	groups       metric.GroupSet
	hash         hash64.ID
	end          time.Time // end of the last period
	series       map[string]*series
	lists        map[string]*history
	known        map[subject]*presence
	copiers      map[string]bool     // clients that copied zones
	episodes     map[string]*episode // by kind and subject
	held         map[held]*holding   // signs that last, see lasting
	before       []*stream           // with the baselines from before they came, the oldest first
}

// resume forgets the latest periods if the next one starts long after them. Hours of earlier days
// stay.
func (s *stream) resume(start time.Time) {
	if s.end.IsZero() || start.Sub(s.end) <= gap {
		return
	}
	for _, x := range s.series {
		x.recent, x.next = nil, 0
	}
	clear(s.lists)
	clear(s.known)
	clear(s.held)
	s.before = nil
}

// episode is a candidate, or a finding that has fired.
type episode struct {
	Finding
	score float64
	seen  int // periods in a row that show it
	quiet int // periods in a row that do not
	fired bool

	settled time.Duration // it lasted for so long that it is usual now; 0 if not
}

// signal is a sign of a finding in one period.
type signal struct {
	Finding
	score float64 // how strong; the evidence is of the strongest period
	need  int     // periods in a row before it fires; 0 means 1

	allGone bool // all traffic has vanished, which leaves out its parts
}

// Add looks at a closed period. It returns the findings that fired in it, those that became more
// severe, and those that resolved. A finding fires once for each episode, and resolves once.
func (w *Watcher) Add(s *handler.Snapshot) (changes []Finding) {
	if w.cfg.Off {
		return nil
	}
	seen := make(map[string]bool)
	stepped := false
	for i := range s.Modules {
		m := &s.Modules[i]
		r := read(m, s.Period)
		if r == nil {
			continue
		}
		seen[m.Name] = true
		st, found := w.module(r)
		if slices.ContainsFunc(found, isStep) {
			if stepped { // all modules have the same clock
				found = slices.DeleteFunc(found, isStep)
			}
			stepped = true
		}
		changes = append(changes, w.update(st, m.Name, found)...)
	}
	for name, st := range w.streams {
		if !seen[name] {
			changes = append(changes, w.update(st, name, nil)...)
		}
	}
	return changes
}

// End resolves all findings, at the end of the periods. It returns them.
func (w *Watcher) End() []Finding {
	out := w.Active()
	for i := range out {
		out[i].Resolved, out[i].Ended = true, true
	}
	w.active, w.streams = nil, make(map[string]*stream)
	return out
}

// Learn adds an earlier period to the baselines, and finds nothing. It is for history, in order of
// time, from before the first Add. A single period counts as one that Add has seen. A sum of
// periods, such as of an hour, adds to the hours of earlier days and to the clients that copied
// zones.
func (w *Watcher) Learn(s *handler.Snapshot) {
	for i := range s.Modules {
		m := &s.Modules[i]
		r := read(m, s.Period)
		if r == nil {
			continue
		}
		st := w.stream(r)
		st.resume(r.start)
		if s.Period > 0 && m.Length <= s.Period {
			w.signs(r, st) // an attack in it must not become usual
		} else {
			st.learn(views(r, st, &w.cfg))
		}
		st.end = r.end
	}
}

// learn adds a sum of periods to the hours of earlier days.
func (s *stream) learn(all []*view) {
	for _, v := range all {
		for _, f := range v.figures() {
			s.figure(v.prefix+f.name).learn(v.start, f.rate)
		}
		v.rememberCopiers()
	}
}

// Active returns the findings that have fired and are not resolved, the most urgent first.
func (w *Watcher) Active() []Finding {
	out := make([]Finding, len(w.active))
	for i, e := range w.active {
		out[i] = e.Finding
	}
	return Sorted(out)
}

// Sorted returns a copy of findings with the most urgent first, then in the order of their
// beginning.
func Sorted(found []Finding) []Finding {
	return slices.SortedStableFunc(slices.Values(found), func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity.rank(), a.Severity.rank()), a.Since.Compare(b.Since), cmp.Compare(a.Key, b.Key))
	})
}

// stream returns the state of a module. It starts again after a change of the module or of the key
// that hashes, because figures before and after such a change do not compare.
func (w *Watcher) stream(r *reading) *stream {
	m := r.module
	s := w.streams[m.Name]
	changed := s != nil && (s.typ != m.Type || s.version != m.Version || s.groups != m.Groups || s.hash != m.HashID)
	if s == nil || changed {
		var before map[string]*episode
		if s != nil {
			before = s.episodes
		}
		s = &stream{
			typ: m.Type, version: m.Version, groups: m.Groups, hash: m.HashID, series: make(map[string]*series),
			lists: make(map[string]*history), known: make(map[subject]*presence), copiers: make(map[string]bool), episodes: before,
			held: make(map[held]*holding),
		}
		if s.episodes == nil {
			s.episodes = make(map[string]*episode)
		}
		w.streams[m.Name] = s
	}
	return s
}

// module returns the signs in one module of a period.
func (w *Watcher) module(r *reading) (s *stream, found []signal) {
	s = w.stream(r)
	s.resume(r.start)
	found = w.signs(r, s)
	s.end = r.end
	return s, found
}

// signs returns the signs in a reading, and adds it to the baselines.
func (w *Watcher) signs(r *reading, s *stream) []signal {
	all := views(r, s, &w.cfg)
	found := w.lasting(r, s, w.look(all))
	for _, v := range all {
		v.remember()
	}
	return found
}

// look returns the signs in views.
func (w *Watcher) look(all []*view) (found []signal) {
	for _, v := range all {
		w.detect(v)
		found = append(found, v.found...)
	}
	return found
}

// update advances the episodes of a module by a period with its signals.
func (w *Watcher) update(s *stream, module string, found []signal) (changes []Finding) {
	now := make(map[string]bool)
	for i := range found {
		sig := &found[i]
		id := episodeID(sig.Kind, module, sig.Subject)
		now[id] = true
		e := s.episodes[id]
		if e == nil {
			if len(s.episodes) >= maxActive {
				continue
			}
			e = &episode{}
			s.episodes[id] = e
		}
		if w.show(e, sig, module, s.end) {
			changes = append(changes, e.Finding)
		}
	}
	for id, e := range s.episodes {
		if now[id] {
			continue
		}
		e.seen, e.quiet = 0, e.quiet+1
		if e.fired && e.quiet < w.cfg.Resolve && e.settled == 0 {
			continue
		}
		delete(s.episodes, id)
		if e.fired {
			e.resolve()
			changes = append(changes, e.Finding)
			w.active = slices.DeleteFunc(w.active, func(a *episode) bool { return a == e })
		}
	}
	slices.SortFunc(changes, func(a, b Finding) int { return cmp.Compare(a.Key, b.Key) })
	return changes
}

// episodeID identifies an episode that lasts, in all modules.
func episodeID(kind Kind, module, subject string) string {
	return string(kind) + "/" + module + "/" + subject
}

// resolve ends a finding.
func (e *episode) resolve() {
	e.Resolved, e.Usual = true, e.settled > 0
	if e.Usual {
		e.Text += " It has not ended, but has lasted for " + export.Brief(e.settled) + " and counts as usual now."
	}
}

// show adds a signal to its episode and reports whether it fires now, or becomes more severe.
func (w *Watcher) show(e *episode, sig *signal, module string, end time.Time) bool {
	e.seen, e.quiet, e.settled = e.seen+1, 0, 0
	since, key, worst := e.Since, e.Key, e.Severity
	if sig.score >= e.score {
		e.Finding, e.score = sig.Finding, sig.score
	}
	if e.Severity.rank() < worst.rank() {
		e.Severity = worst
	}
	e.Module, e.Until = module, end
	if e.Since, e.Key = since, key; e.seen == 1 && !e.fired {
		e.Since = sig.Since
		e.Key = fmt.Sprintf("%s/%s/%s/%d", sig.Kind, module, sig.Subject, sig.Since.Unix())
	}
	if e.fired || e.seen < sig.need {
		return e.fired && e.Severity.rank() > worst.rank()
	}
	e.fired = true
	w.active = append(w.active, e)
	return true
}

// ongoing reports whether a finding about a subject has fired and is not resolved. Detectors then
// use lower thresholds, so that a finding does not come and go.
func (v *view) ongoing(kind Kind, subject string) bool {
	e := v.episodes[episodeID(kind, v.module.Name, subject)]
	return e != nil && e.fired
}

// lowered is the factor for thresholds of findings that have fired.
const lowered = 0.6

// threshold returns x, or less for a finding that has fired.
func (v *view) threshold(kind Kind, subject string, x float64) float64 {
	if v.ongoing(kind, subject) {
		return lowered * x
	}
	return x
}

// report adds a signal. It fills in what is the same for all.
func (v *view) report(s signal) {
	s.Since, s.Evidence.Shares = v.start, v.shares()
	for _, list := range v.minuteLists() {
		if !slices.ContainsFunc(s.Evidence.Lists, func(l List) bool { return l.Name == list.Name }) {
			s.Evidence.Lists = append(s.Evidence.Lists, list)
		}
	}
	v.found = append(v.found, s)
}

// minuteLists returns the top lists of the period. Every finding has them as evidence, because
// policies keep only a few periods.
func (v *view) minuteLists() []List {
	if v.minute == nil {
		v.minute = []List{}
		for _, name := range slices.Concat(v.breakdowns(), evidenceLists[v.module.Type]) {
			if items := v.list(v.path(name), 10); len(items) > 0 {
				v.minute = append(v.minute, List{v.path(name), items})
			}
		}
	}
	return v.minute
}

// evidenceLists are further lists of evidence, by type of module.
var evidenceLists = map[string][]string{
	"dns": {"top_nxdomain", "top_srvfail", "top_refused", "top_timeouts", "top_ecs", "top_asn"},
}

// figure is a number that has a baseline.
type figure struct {
	name string
	rate float64 // per second
}

// figures returns the numbers of the view that have baselines.
func (v *view) figures() (out []figure) {
	names := []string{"total", "bytes", "in", "out", "ipv4", "ipv6", "udp", "tcp", "syn", "sources"}
	if v.module.Type == "dns" {
		out = append(out, v.servedFigures()...)
		out = append(out, figure{"queries", v.queries() / v.length}, figure{"failed", v.failed() / v.length})
		names = []string{"replies", "nxdomain", "srvfail", "refused", "nodata", "timed_out", "ipv4", "ipv6", "udp", "tcp", "names", "sources", "dnssec_ok"}
	}
	if v.has(v.path("opening")) {
		out = append(out, figure{"attempts", v.attempts() / v.length})
	}
	for _, n := range names {
		if v.has(v.path(n)) {
			out = append(out, figure{n, v.number(n) / v.length})
		}
	}
	return out
}

// maxSeries bounds the figures of a module that have baselines. Further ones have none.
const maxSeries = 512

func (s *stream) figure(name string) *series {
	x := s.series[name]
	if x == nil {
		x = &series{}
		if len(s.series) < maxSeries {
			s.series[name] = x
		}
	}
	return x
}

// usual returns the baseline of a figure of the view.
func (v *view) usual(name string) (baseline, bool) {
	return v.figure(v.prefix+name).usual(v.start, v.cfg.Warmup, v.cfg.Baseline)
}

// remember adds the period to the baselines. Short periods, at the beginning and the end of a
// stream, are not added.
func (v *view) remember() {
	v.rememberCopiers()
	if v.short {
		return
	}
	for _, f := range v.figures() {
		v.figure(v.prefix+f.name).add(v.start, f.rate)
	}
	for _, name := range v.breakdowns() {
		if _, whole := ofModule[name]; whole && !v.first {
			continue // the first view has added it
		}
		path := v.path(name)
		if v.lists[path] == nil {
			v.lists[path] = &history{}
		}
		var entries []entry
		for _, it := range v.items(path) {
			entries = append(entries, entry{it.Name, float64(it.Estimate) / v.length})
		}
		v.lists[path].add(entries)
	}
	v.rememberWeights()
	v.watchPresence()
}

// rememberWeights adds the bytes of names by domain to the baselines.
func (v *view) rememberWeights() {
	path := v.path(allNames + weightSuffix)
	if v.lists[path] == nil {
		v.lists[path] = &history{}
	}
	var entries []entry
	for _, it := range v.items(v.path(allNames)) {
		entries = append(entries, entry{it.Name, float64(it.Weight) / v.length})
	}
	v.lists[path].add(entries)
}

// breakdowns are the lists that show what grew.
func (v *view) breakdowns() []string {
	if v.module.Type == "dns" {
		return []string{"top_qname2", "top_qname3", "top_qtype", "top_rcode", "top_udp_ports", "top_clients", "top_failed_clients", "top_refused_clients", "top_refused", clientNames, allNames, failedNames}
	}
	return []string{"top_ipv4", "top_ipv6", "top_asn", "top_geoLoc", "top_dst_port", "top_src_port", "top_ipv4_subnet", "top_ipv6_subnet", "top_protocol", "top_icmp"}
}

// grown returns the entries of a list that grew most, with their growth per second.
func (v *view) grown(name string, n int) (out []Part) {
	path := v.path(name)
	past := v.lists[path]
	for _, it := range v.items(path) {
		usual := 0.0
		if past != nil {
			usual = past.usual(it.Name)
		}
		if g := float64(it.Estimate)/v.length - usual; g > 0 {
			out = append(out, Part{Name: it.Name, Count: it.Estimate, Grown: g})
		}
	}
	slices.SortStableFunc(out, func(a, b Part) int { return cmp.Compare(b.Grown, a.Grown) })
	return out[:min(n, len(out))]
}
