package httpapi

import (
	"bytes"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"visor/export"
	"visor/export/prom"
	"visor/export/prom/protobuf"
	"visor/handler"
	"visor/handler/policy"
)

// everything is the name for all policies in the routes of metrics.
const everything = "__all"

func (a *API) app(*http.Request) reply {
	app := object{"version": a.cfg.Version, "up_time_min": time.Since(a.started).Minutes()}
	if a.cfg.Push != nil {
		app["push"] = a.cfg.Push()
	}
	if a.cfg.Alerts != nil {
		app["alerts"] = a.cfg.Alerts()
	}
	return jsonReply(http.StatusOK, object{"app": app})
}

func rates(*http.Request) reply {
	return jsonReply(http.StatusOK, object{
		"packets": object{"in": 0, "out": 0}, "warning": "deprecated: use 'live' data from /api/v1/metrics/bucket/0 instead",
	})
}

// period is a query for periods: Bucket or Window.
type period func(*policy.Running, int) (*handler.Snapshot, error)

func (a *API) defaultBucket(r *http.Request) reply {
	return a.ofDefault(r, (*policy.Running).Bucket)
}

func (a *API) defaultWindow(r *http.Request) reply {
	return a.ofDefault(r, (*policy.Running).Window)
}

func (a *API) ofDefault(r *http.Request, ask period) reply {
	n, ok := number(r)
	if !ok {
		return nothing(r)
	}
	p := a.cfg.Policies.Policy("default")
	if p == nil {
		return failure(http.StatusNotFound, `no "default" policy exists`)
	}
	snap, err := ask(p, n)
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return written(func(w io.Writer) error { return export.WriteDefaultJSON(w, snap) })
}

func (a *API) bucket(r *http.Request) reply { return a.ofPolicies(r, (*policy.Running).Bucket) }

func (a *API) window(r *http.Request) reply { return a.ofPolicies(r, (*policy.Running).Window) }

func (a *API) ofPolicies(r *http.Request, ask period) reply {
	n, ok := number(r)
	if !ok {
		return nothing(r)
	}
	name := r.PathValue("policy")
	chosen := a.chosen(name)
	if len(chosen) == 0 && name != everything {
		return failure(http.StatusNotFound, "policy does not exist")
	}
	answers := make(map[string]*handler.Snapshot)
	for _, p := range chosen {
		snap, err := ask(p, n)
		switch {
		case err == nil:
			answers[p.Policy.Name] = snap
		case name != everything:
			return failure(http.StatusTooEarly, err.Error())
		}
	}
	return written(func(w io.Writer) error { return export.WritePoliciesJSON(w, answers) })
}

// chosen returns the policies that name refers to. A request for a policy renews its lease.
func (a *API) chosen(name string) []*policy.Running {
	if name == everything {
		return a.cfg.Policies.Policies()
	}
	p := a.cfg.Policies.Policy(name)
	if p == nil {
		return nil
	}
	p.Renew()
	return []*policy.Running{p}
}

// number returns the number of periods in the path. A number that overflows exceeds every number of
// periods.
func number(r *http.Request) (int, bool) {
	digits := r.PathValue("n")
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		n = math.MaxInt
	}
	return n, digits != ""
}

// written returns a reply with the output of fn.
func written(fn func(io.Writer) error) reply {
	var b bytes.Buffer
	if err := fn(&b); err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: http.StatusOK, typ: typeJSON, body: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}

// defaultPrometheus returns the metrics of the policy "default", as pktvisor does, followed by the
// agent's own metrics. Without a default policy and own metrics it answers like pktvisor, with 404.
func (a *API) defaultPrometheus(*http.Request) reply {
	var chosen []*policy.Running
	if p := a.cfg.Policies.Policy("default"); p != nil {
		chosen = append(chosen, p)
	}
	own := a.ownFamilies()
	if len(chosen) == 0 && len(own) == 0 {
		return reply{status: http.StatusNotFound, typ: typeText, body: []byte(`no "default" policy exists, and nothing else runs`)}
	}
	return a.exposition(chosen, false, own...)
}

func (a *API) prometheus(r *http.Request) reply {
	name := r.PathValue("policy")
	chosen := a.chosen(name)
	if len(chosen) == 0 && name != everything {
		// pktvisor's spelling
		return reply{status: http.StatusNotFound, typ: typeText, body: []byte("policy does not exists")}
	}
	return a.exposition(chosen, true)
}

// exposition returns the metrics of policies for Prometheus, followed by more families.
func (a *API) exposition(policies []*policy.Running, handlers bool, more ...export.Family) reply {
	var families [][]export.Family
	for _, p := range policies {
		snap, err := p.Latest()
		if err != nil {
			return reply{status: http.StatusInternalServerError, typ: typeText, body: []byte(err.Error())}
		}
		families = append(families, export.Families(snap, export.FamilyConfig{
			Labels: map[string]string{"policy": p.Policy.Name}, Instance: a.cfg.Instance, Handler: handlers, GreatestAsSum: a.cfg.GreatestAsSum,
		}))
	}
	rep := written(func(w io.Writer) error { return prom.WriteText(w, append(export.JoinFamilies(families...), more...)) })
	rep.typ = typeProm
	if len(rep.body) > 0 {
		rep.body = append(rep.body, '\n')
	}
	return rep
}

// allCounters returns the totals of all policies, followed by the agent's own metrics.
func (a *API) allCounters(r *http.Request) reply {
	return a.counters(r, a.chosen(everything), a.ownFamilies()...)
}

// policyCounters returns the totals of a policy, or of all by the name __all.
func (a *API) policyCounters(r *http.Request) reply {
	name := r.PathValue("policy")
	chosen := a.chosen(name)
	if len(chosen) == 0 && name != everything {
		return failure(http.StatusNotFound, "policy does not exist")
	}
	return a.counters(r, chosen)
}

// counters returns the totals of policies, followed by more families, in the format that the client
// prefers.
func (a *API) counters(r *http.Request, policies []*policy.Running, more ...export.Family) reply {
	var lists [][]export.Family
	for _, p := range policies {
		lists = append(lists, export.Totals(p.Totals(), export.FamilyConfig{
			Labels: map[string]string{"policy": p.Policy.Name}, Instance: a.cfg.Instance,
		}))
	}
	families := append(export.JoinFamilies(lists...), more...)
	write, typ := prom.WriteText, typeProm
	if protobuf.Accepted(r.Header.Get("Accept")) {
		write, typ = protobuf.Write, protobuf.ContentType
	}
	var b bytes.Buffer
	if err := write(&b, families); err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: http.StatusOK, typ: typ, body: b.Bytes()}
}

func (a *API) listSchemas(*http.Request) reply {
	all, err := a.schemas()
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return jsonReply(http.StatusOK, slices.Sorted(maps.Keys(all)))
}

func (a *API) schema(r *http.Request) reply {
	all, err := a.schemas()
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	s, ok := all[r.PathValue("schema")]
	if !ok {
		return nothing(r)
	}
	return reply{status: http.StatusOK, typ: "application/schema+json", body: s.text}
}

func (a *API) description(*http.Request) reply {
	text, err := a.openAPI()
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: http.StatusOK, typ: "application/json", body: text}
}

func healthy(*http.Request) reply {
	return reply{status: http.StatusOK, typ: typeText, body: []byte("ok\n")}
}

func (a *API) ready(*http.Request) reply {
	if a.cfg.Ready != nil {
		if err := a.cfg.Ready(); err != nil {
			return reply{status: http.StatusServiceUnavailable, typ: typeText, body: []byte(err.Error() + "\n")}
		}
	}
	return reply{status: http.StatusOK, typ: typeText, body: []byte("ready\n")}
}

// answerSchema is the JSON Schema of a handler's answers, with its key in them.
type answerSchema struct {
	key  string
	text []byte
}

// handlerSchemas returns the schemas of all handlers by type and version, for any groups.
func handlerSchemas(types policy.Catalog) (map[string]answerSchema, error) {
	out := make(map[string]answerSchema)
	for i := range types.Handlers {
		kind := &types.Handlers[i]
		info, err := kind.Info()
		if err != nil {
			return nil, err
		}
		info.Groups = 0
		var b bytes.Buffer
		if err := export.WriteJSONSchema(&b, info); err != nil {
			return nil, err
		}
		out[kind.Type+"-"+kind.Version] = answerSchema{info.Schema, b.Bytes()}
	}
	return out, nil
}
