package httpapi

import (
	"time"

	"visor/capture"
	"visor/export"
	"visor/handler"
	"visor/handler/metric"
	"visor/handler/policy"
)

// inputAccount counts the frames of an input by outcome. It holds the reasons for frames that were
// not analysed, and the times of the first and last frame, null before the first.
type inputAccount struct {
	handler.Account
	Reasons []capture.Reason `json:"reasons"`
	First   *time.Time       `json:"first"`
	Last    *time.Time       `json:"last"`
}

func newInputAccount(part *policy.Part) inputAccount {
	out := inputAccount{Account: part.Account(), Reasons: part.Reasons()}
	if first, last := part.Span(); !first.IsZero() {
		first, last = first.UTC(), last.UTC()
		out.First, out.Last = &first, &last
	}
	return out
}

// Push counts requests that push metrics by outcome. It has the fields of otlp.Stats. This package
// does not import otlp, so programs that do not push do not link it.
type Push struct {
	Sent       uint64 `json:"sent"`
	Refused    uint64 `json:"refused"`    // lost: rejected by the receiver
	Expired    uint64 `json:"expired"`    // lost: not accepted in time
	Overflowed uint64 `json:"overflowed"` // lost: too many requests were waiting
	Retries    uint64 `json:"retries"`    // attempts after the first
	Rejected   uint64 `json:"rejected"`   // data points rejected in accepted requests
	Pending    uint64 `json:"pending"`    // requests waiting for the receiver
}

// results returns the outcomes of frames or events with their counts.
func results(a handler.Account) []capture.Reason {
	return []capture.Reason{
		{Text: "analysed", Count: a.Analysed},
		{Text: "filtered", Count: a.Filtered},
		{Text: "not_sampled", Count: a.NotSampled},
		{Text: "undecodable", Count: a.Undecodable},
		{Text: "dropped", Count: a.Dropped},
	}
}

// ownFamilies returns the agent's own metrics for Prometheus: the accounts of all inputs and of all
// modules.
func (a *API) ownFamilies() []export.Family {
	f := newFamilies(a.cfg.Instance)
	seen := make(map[string]bool)
	for _, p := range a.cfg.Policies.Policies() {
		accounts := p.Accounts()
		for i := range p.Parts {
			part := &p.Parts[i]
			if !seen[part.Input] {
				seen[part.Input] = true
				f.addInput(part)
			}
			f.addModules(p.Policy.Name, part.Attachment.Infos(), accounts)
		}
	}
	f.addFindings(a)
	if len(f.list()) > 0 {
		f.addServer(a)
	}
	out := f.list()
	if a.cfg.History != nil {
		out = append(out, f.history(a.cfg.History.Stats())...)
	}
	if a.cfg.Alerts != nil {
		out = append(out, f.alerts(a.cfg.Alerts())...)
	}
	return out
}

// families collects the agent's own metrics.
type families struct {
	instance string

	running, gaps, gapTime, steps export.Family

	pushed, retries, rejected, pending, finding export.Family

	refused, renewals, inputOffered, inputFrames, inputReasons, inputWaiting, first, last, moduleOffered, moduleEvents export.Family
}

func newFamilies(instance string) *families {
	counter := func(name, help string) export.Family {
		return export.Family{Name: name, Help: help, Type: export.Counter}
	}
	gauge := func(name, help string) export.Family {
		return export.Family{Name: name, Help: help, Type: export.Gauge}
	}
	return &families{
		instance:      instance,
		refused:       counter("visor_http_refused_total", "requests that were answered 503 because too many answers were being made"),
		renewals:      counter("visor_http_renewals_failed_total", "times that the token file or a certificate could not be read again after it had changed"),
		pushed:        counter("visor_push_requests_total", "requests that push metrics by outcome: sent, or refused, expired or overflowed, which are lost"),
		retries:       counter("visor_push_retries_total", "further tries to push a request"),
		rejected:      counter("visor_push_points_rejected_total", "data points that the receiver left out of requests that it took"),
		pending:       gauge("visor_push_pending", "requests that wait for the receiver"),
		finding:       gauge("visor_finding", "1 for each finding that lasts, the most urgent 20"),
		running:       gauge("visor_input_running", "1 if an input yields frames or waits for them, 0 if it has ended or is down"),
		gaps:          counter("visor_input_gaps_total", "times that a live input was down: an interface was deleted, a socket failed"),
		gapTime:       counter("visor_input_gap_seconds_total", "how long a live input was down"),
		steps:         counter("visor_input_clock_steps_total", "times that the clock was put while a live input ran; each began a period"),
		inputOffered:  counter("visor_input_offered_total", "frames that an input was offered: the sum of visor_input_frames_total"),
		inputFrames:   counter("visor_input_frames_total", "frames of an input by outcome"),
		inputReasons:  counter("visor_input_reasons_total", "input that was not analysed, by the reason"),
		inputWaiting:  gauge("visor_input_waiting", "input that was not analysed yet, by what it waits for"),
		first:         gauge("visor_input_first_frame_timestamp_seconds", "time of the earliest frame of an input"),
		last:          gauge("visor_input_last_frame_timestamp_seconds", "time of the latest frame of an input"),
		moduleOffered: counter("visor_module_offered_total", "events that a module of a policy was shown: the sum of visor_module_events_total"),
		moduleEvents:  counter("visor_module_events_total", "events that a module of a policy was shown, by outcome"),
	}
}

func (f *families) addInput(part *policy.Part) {
	labels := []metric.Label{{Name: "input", Value: part.Input}, {Name: "tap", Value: part.Tap.Name}}
	account := part.Account()
	running, outage := uint64(0), part.Outage()
	if part.InputStatus().Running {
		running = 1
	}
	f.add(&f.running, running, labels)
	if part.Live() {
		f.add(&f.gaps, outage.Gaps, labels)
		f.add(&f.gapTime, uint64(outage.Down.Seconds()), labels)
		f.add(&f.steps, part.ClockSteps(), labels)
	}
	f.add(&f.inputOffered, account.Offered, labels)
	for _, r := range results(account) {
		f.add(&f.inputFrames, r.Count, labels, metric.Label{Name: "result", Value: r.Text})
	}
	for _, r := range part.Reasons() {
		reason := metric.Label{Name: "reason", Value: r.Text}
		f.add(&f.inputReasons, r.Count-r.Waiting, labels, reason)
		if r.Waiting > 0 {
			f.add(&f.inputWaiting, r.Waiting, labels, reason)
		}
	}
	if first, last := part.Span(); !first.IsZero() {
		f.add(&f.first, uint64(first.Unix()), labels)
		f.add(&f.last, uint64(last.Unix()), labels)
	}
}

func (f *families) addServer(a *API) {
	f.add(&f.refused, a.answers.refused.Load(), nil)
	failed := uint64(0)
	if a.guard.token != nil {
		failed = a.guard.token.Failures()
	}
	if a.cfg.Certificates != nil {
		failed += a.cfg.Certificates.Failures()
	}
	f.add(&f.renewals, failed, nil)
	if a.cfg.Push != nil {
		f.addPush(a.cfg.Push())
	}
}

func (f *families) addPush(p Push) {
	for _, r := range []capture.Reason{
		{Text: "sent", Count: p.Sent}, {Text: "refused", Count: p.Refused}, {Text: "expired", Count: p.Expired}, {Text: "overflowed", Count: p.Overflowed},
	} {
		f.add(&f.pushed, r.Count, nil, metric.Label{Name: "result", Value: r.Text})
	}
	f.add(&f.retries, p.Retries, nil)
	f.add(&f.rejected, p.Rejected, nil)
	f.add(&f.pending, p.Pending, nil)
}

func (f *families) addModules(policy string, infos []handler.Info, accounts map[string]handler.Account) {
	for _, info := range infos {
		labels := []metric.Label{{Name: "module", Value: info.Name}, {Name: "policy", Value: policy}}
		account := accounts[info.Name]
		f.add(&f.moduleOffered, account.Offered, labels)
		for _, r := range results(account) {
			f.add(&f.moduleEvents, r.Count, labels, metric.Label{Name: "result", Value: r.Text})
		}
	}
}

// add adds a series to a family.
func (f *families) add(to *export.Family, n uint64, labels []metric.Label, more ...metric.Label) {
	s := export.Series{Value: n}
	if f.instance != "" {
		s.Labels = append(s.Labels, metric.Label{Name: "instance", Value: f.instance})
	}
	s.Labels = append(append(s.Labels, labels...), more...)
	to.Series = append(to.Series, s)
}

// list returns the families that have series.
func (f *families) list() (out []export.Family) {
	for _, family := range []export.Family{f.refused, f.renewals, f.pushed, f.retries, f.rejected, f.pending, f.finding, f.running, f.gaps, f.gapTime, f.steps, f.inputOffered, f.inputFrames, f.inputReasons, f.inputWaiting, f.first, f.last, f.moduleOffered, f.moduleEvents} {
		if len(family.Series) > 0 {
			out = append(out, family)
		}
	}
	return out
}
