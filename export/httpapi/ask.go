package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"visor/decode"
	"visor/decode/dnsmsg"
	"visor/export"
	"visor/handler"
	"visor/handler/asks"
	"visor/handler/policy"
	"visor/handler/policy/drill"
)

// Limits of questions.
const (
	asksAtOnce  = 4
	askUsual    = time.Minute
	askLeast    = time.Second
	askLongest  = 300 * time.Second
	renewPeriod = drill.LeaseSeconds * time.Second / 3
	// time for the request and the answer, in addition to askLongest
	askMargin = 90 * time.Second
)

// question is the body of a request.
type question struct {
	QName  string `json:"qname"`
	Client string `json:"client"`
	ASN    asn    `json:"asn"`
	For    span   `json:"for"`
}

// asn is the number of an autonomous system, in JSON a number or a text.
type asn string

func (a *asn) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	*a = asn(text)
	return nil
}

// span is a length of time, in JSON a text as 60s or a number of seconds.
type span time.Duration

func (s *span) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b) + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("for: %s is not a length of time, as \"60s\" or 60", b)
	}
	*s = span(d)
	return nil
}

// parseQuestion reads the body of a request.
func parseQuestion(body []byte) (q question, cfg asks.Config, err error) {
	q.For = span(askUsual)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&q); err == nil && dec.More() {
		err = errors.New("the body has more than one object")
	}
	if err != nil {
		return q, cfg, fmt.Errorf("not a question as {\"qname\": \"www.example.com\", \"for\": \"60s\"}: %w", err)
	}
	if cfg, err = q.subject().Config(); err != nil {
		return q, cfg, err
	}
	if d := time.Duration(q.For); d < askLeast || d > askLongest {
		return q, cfg, fmt.Errorf("for: %v: must be from %v to %v", d, askLeast, askLongest)
	}
	return q, cfg, nil
}

func (q *question) subject() asks.Question {
	return asks.Question{QName: q.QName, Client: q.Client, ASN: string(q.ASN)}
}

// askers bounds the questions that are being answered. It is safe for concurrent use.
type askers struct {
	mu   sync.Mutex
	ends []time.Time // of the running questions
}

// begin adds a question. If there are too many, it returns the time until one ends.
func (a *askers) begin(end time.Time) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ends) < asksAtOnce {
		a.ends = append(a.ends, end)
		return 0, true
	}
	return time.Until(slices.MinFunc(a.ends, time.Time.Compare)), false
}

func (a *askers) end(end time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.ends, end)
	a.ends = slices.Delete(a.ends, i, i+1)
}

// ask counts only the traffic of a question for some time, and answers with the counts. It makes a
// temporary policy with the taps and the filter of the one in the path. The policy ends with the
// answer, or when the client disconnects.
func (a *API) ask(r *http.Request) reply {
	body, bad := document(r)
	if bad.status != 0 {
		return bad
	}
	q, cfg, err := parseQuestion(body)
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	of := a.cfg.Policies.Policy(r.PathValue("policy"))
	if of == nil {
		return failure(http.StatusNotFound, "policy does not exist")
	}
	if rep := a.unanswerable(of); rep.status != 0 {
		return rep
	}
	if rep := revealing(of, &cfg); rep.status != 0 {
		return rep
	}
	end := time.Now().Add(time.Duration(q.For))
	wait, ok := a.askers.begin(end)
	if !ok {
		rep := failure(http.StatusServiceUnavailable, fmt.Sprintf("%d questions are being answered: try again later", asksAtOnce))
		rep.retry = int(max(wait, 0)/time.Second) + 1
		return rep
	}
	defer a.askers.end(end)
	p, err := a.drill(of, &cfg)
	switch {
	case errors.Is(err, asks.ErrNoASN):
		return failure(http.StatusUnprocessableEntity, "asn: this agent has no database of autonomous systems (visord --geo-asn)")
	case err != nil:
		return refused(err, nil)
	}
	defer func() { _ = a.cfg.Policies.RemovePolicy(p.Policy.Name) }() // it may be gone already
	started := time.Now()
	if rep := a.renew(r.Context(), p, time.Duration(q.For)); rep.status != 0 {
		return rep
	}
	return answerTo(&q, of.Policy.Name, p, time.Since(started))
}

// unanswerable returns the reply about a policy with a tap that is over, gone, or has no DNS
// messages.
func (a *API) unanswerable(of *policy.Running) reply {
	there := a.cfg.Policies.Taps()
	for i := range of.Parts {
		t := &of.Parts[i].Tap
		problem := ""
		switch {
		case !of.Parts[i].Live():
			problem = "reads a recording: ask visor-reader --name or --client about it"
		case !a.cfg.Policies.Types().Takes(t.InputType, "asks"):
			problem = fmt.Sprintf("has no DNS messages: its type is %s", t.InputType)
		case !slices.ContainsFunc(there, func(other policy.Tap) bool { return other.Name == t.Name }):
			problem = "was deleted: create it again first"
		default:
			continue
		}
		return failure(http.StatusUnprocessableEntity, fmt.Sprintf("tap %s %s", t.Name, problem))
	}
	return reply{}
}

// revealing returns the reply to a question about clients, or names of addresses, that the policy
// does not distinguish.
func revealing(of *policy.Running, cfg *asks.Config) reply {
	for i := range of.Parts {
		by := of.Parts[i].Anonymize
		for _, net := range cfg.OnlyClients.Prefixes() {
			if !by.Shows(net) {
				return failure(http.StatusUnprocessableEntity, fmt.Sprintf("client: the policy anonymizes addresses (%v), and %v is more exact", by, net))
			}
		}
		for _, text := range slices.Concat(cfg.OnlyQNames, cfg.OnlySuffixes) {
			if name, err := dnsmsg.ParseName(text); err == nil && !by.ShowsName(name.Key()) {
				return failure(http.StatusUnprocessableEntity, fmt.Sprintf("qname: the policy anonymizes addresses (%v), and the name of one is more exact", by))
			}
		}
	}
	return reply{}
}

// drill starts the temporary policy.
func (a *API) drill(of *policy.Running, cfg *asks.Config) (*policy.Running, error) {
	plan := drill.Asked(options(cfg))
	doc, err := plan.Document(drill.NewName(), drill.Base{Policy: of.Policy.Name, Tap: of.Parts[0].Tap.Name, InputType: of.Policy.Input.InputType})
	if err != nil {
		return nil, err
	}
	p, _, err := a.cfg.Policies.Types().ParsePolicy(doc)
	if err != nil {
		return nil, err
	}
	p.Input, p.Posted = of.Policy.Input, of.Policy.Posted // all taps, and the same filter
	p.Anonymize = of.Policy.Anonymize
	return a.cfg.Policies.AddPolicy(p)
}

// options returns filters as options of a policy.
func options(cfg *asks.Config) policy.Options {
	out := policy.Options{}
	add := func(key string, list []string) {
		if list != nil {
			out[key] = list
		}
	}
	add("only_qname", cfg.OnlyQNames)
	add("only_qname_suffix", cfg.OnlySuffixes)
	add("only_clients", texts(&cfg.OnlyClients))
	add("only_asn_number", cfg.OnlyASNs)
	return out
}

func texts(nets *decode.NetSet) (out []string) {
	for _, p := range nets.Prefixes() {
		out = append(out, p.String())
	}
	return out
}

// renew renews the lease of a policy for some time. It returns the reply to a question that ends
// earlier.
func (a *API) renew(ctx context.Context, p *policy.Running, length time.Duration) reply {
	end := time.NewTimer(length)
	defer end.Stop()
	ticker := time.NewTicker(renewPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-end.C:
			return endedEarly(p)
		case <-ticker.C:
			p.Renew()
		case <-p.Ended():
			return endedEarly(p)
		case <-ctx.Done():
			return failure(http.StatusServiceUnavailable, "the client is gone")
		case <-a.draining:
			return failure(http.StatusServiceUnavailable, "the question was ended early: the program ends")
		}
	}
}

// endedEarly returns the reply to a question whose policy has ended. Its status is 0 if the policy
// runs.
func endedEarly(p *policy.Running) reply {
	if reason := p.Reason(); reason != nil {
		return failure(http.StatusConflict, fmt.Sprintf("the question was ended early: %v", reason))
	}
	return reply{}
}

// answerTo returns the counts of a question, and a sentence about them.
func answerTo(q *question, name string, p *policy.Running, length time.Duration) reply {
	snap, err := p.Bucket(0)
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	m, err := asked(snap)
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	var metrics bytes.Buffer
	if err := export.WritePoliciesJSON(&metrics, map[string]*handler.Snapshot{name: snap}); err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return jsonReply(http.StatusOK, object{
		"answer": m.Sentence(q.subject(), length), "seconds": length.Seconds(), "metrics": json.RawMessage(metrics.Bytes()),
	})
}

// asked returns the counts of all taps together.
func asked(snap *handler.Snapshot) (*asks.Metrics, error) {
	var parts []*handler.Module
	for i := range snap.Modules {
		if snap.Modules[i].Type == "asks" {
			parts = append(parts, &snap.Modules[i])
		}
	}
	sum, err := handler.Join("asks", parts...)
	if err != nil {
		return nil, err
	}
	return asks.From(&handler.Snapshot{Modules: []handler.Module{sum}}), nil
}
