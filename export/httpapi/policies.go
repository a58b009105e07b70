package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"visor/handler/policy"
)

// readingTime is how long the answer to a new policy waits until a recording is read.
const readingTime = 30 * time.Second

func (a *API) taps(*http.Request) reply {
	var all object // null without entries, as in pktvisor
	for _, t := range a.cfg.Policies.Taps() {
		if all == nil {
			all = make(object)
		}
		all[t.Name] = a.tapObject(&t)
	}
	return jsonReply(http.StatusOK, all)
}

func (a *API) tap(r *http.Request) reply {
	for _, t := range a.cfg.Policies.Taps() {
		if t.Name == r.PathValue("tap") {
			return jsonReply(http.StatusOK, object{t.Name: a.tapObject(&t)})
		}
	}
	return failure(http.StatusNotFound, "tap does not exists")
}

func (a *API) policies(*http.Request) reply {
	all := make(object)
	for _, p := range a.cfg.Policies.Policies() {
		all[p.Policy.Name] = a.policyObject(p)
	}
	return jsonReply(http.StatusOK, all)
}

func (a *API) policy(r *http.Request) reply {
	p := a.cfg.Policies.Policy(r.PathValue("policy"))
	if p == nil {
		return failure(http.StatusNotFound, "policy does not exists")
	}
	return jsonReply(http.StatusOK, object{p.Policy.Name: a.policyObject(p)})
}

// document reads the body of a request, or returns the reply to an invalid one.
func document(r *http.Request) ([]byte, reply) {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil, failure(http.StatusBadRequest, "must include Content-Type header")
	}
	typ, _, err := mime.ParseMediaType(given)
	if err != nil || typ != "application/json" && typ != "application/x-yaml" && typ != "application/yaml" {
		return nil, failure(http.StatusBadRequest, "Content-Type not supported: send application/json or application/x-yaml")
	}
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, failure(http.StatusRequestEntityTooLarge, fmt.Sprintf("a body may have %d bytes", large.Limit))
	case err != nil:
		return nil, failure(http.StatusBadRequest, err.Error())
	}
	return body, reply{}
}

// refused returns the reply to an error of the Manager or of a document. pktvisor answers an
// invalid document with 500, which would be a server's fault.
func refused(err error, warnings []*policy.Error) reply {
	status := http.StatusInternalServerError
	_, wrong := errors.AsType[*policy.Error](err)
	switch {
	case errors.Is(err, policy.ErrExists), errors.Is(err, policy.ErrOriginal):
		status = http.StatusConflict
	case errors.Is(err, policy.ErrNoTap), errors.Is(err, policy.ErrMemory):
		status = http.StatusUnprocessableEntity
	case wrong:
		status = http.StatusBadRequest
	}
	body := object{"error": err.Error()}
	if all := policy.Problems(err); all != nil {
		body["errors"] = problems(all, warnings)
	}
	return jsonReply(status, warned(body, warnings))
}

// problems lists errors with their positions, and the warnings that are not among them.
func problems(errs, warnings []*policy.Error) (all []object) {
	add := func(severity string, list []*policy.Error) {
		for _, e := range list {
			all = append(all, object{"text": e.Text, "line": e.Line, "column": e.Column, "severity": severity, "nearest": e.Nearest})
		}
	}
	add("error", errs)
	add("warning", slices.DeleteFunc(slices.Clone(warnings), func(w *policy.Error) bool { return slices.Contains(errs, w) }))
	return all
}

func (a *API) addTap(r *http.Request) reply {
	body, bad := document(r)
	if bad.status != 0 {
		return bad
	}
	t, warnings, err := a.cfg.Policies.Types().ParseTap(body)
	t.Posted = true
	if err = a.accept(r, warnings, err); err == nil {
		err = a.cfg.Policies.AddTap(t)
	}
	if err != nil {
		return refused(err, warnings)
	}
	return jsonReply(http.StatusCreated, object{t.Name: warned(a.tapObject(&t), warnings)})
}

// accept logs the warnings about a document. It returns an error if the document is rejected, in
// strict mode also for a warning.
func (a *API) accept(r *http.Request, warnings []*policy.Error, err error) error {
	for _, w := range warnings {
		a.cfg.Logger.Warn(w.Error())
	}
	asked, _ := strconv.ParseBool(r.URL.Query().Get("strict"))
	if err == nil && (asked || a.cfg.Strict) && len(warnings) > 0 {
		return policy.Errors(warnings)
	}
	return err
}

// warned adds warnings, if any, to an answer.
func warned(to object, warnings []*policy.Error) object {
	var texts []string
	for _, w := range warnings {
		texts = append(texts, w.Error())
	}
	if texts != nil {
		to["warnings"] = texts
	}
	return to
}

func (a *API) removeTap(r *http.Request) reply {
	if err := a.cfg.Policies.RemoveTap(r.PathValue("tap")); err != nil {
		return failure(http.StatusNotFound, "tap does not exists")
	}
	return jsonReply(http.StatusOK, object{})
}

func (a *API) addPolicy(r *http.Request) reply {
	return a.start(r, "", http.StatusCreated, a.cfg.Policies.AddPolicy)
}

func (a *API) replacePolicy(r *http.Request) reply {
	return a.start(r, r.PathValue("policy"), http.StatusOK, a.cfg.Policies.ReplacePolicy)
}

// start starts the policy in the body of a request. If the path has a name, the policy must have
// the same name.
func (a *API) start(r *http.Request, name string, status int, begin func(policy.Policy) (*policy.Running, error)) reply {
	body, bad := document(r)
	if bad.status != 0 {
		return bad
	}
	p, warnings, err := a.cfg.Policies.ParsePolicy(body)
	p.Posted = true
	if err = a.accept(r, warnings, err); err != nil {
		return refused(err, warnings)
	}
	if name != "" && p.Name != name {
		return failure(http.StatusBadRequest, fmt.Sprintf("the path names policy '%s', the body '%s'", name, p.Name))
	}
	running, err := begin(p)
	if err != nil {
		return refused(err, warnings)
	}
	a.await(r.Context(), running)
	return jsonReply(status, object{p.Name: warned(a.policyObject(running), warnings)})
}

// await waits until the recordings of a policy are read, for a limited time.
func (a *API) await(ctx context.Context, p *policy.Running) {
	ctx, cancel := context.WithTimeout(ctx, readingTime)
	defer cancel()
	for i := range p.Parts {
		if p.Parts[i].Live() {
			continue
		}
		select {
		case <-p.Parts[i].Ended():
		case <-ctx.Done():
			return
		case <-a.draining:
			return
		}
	}
}

func (a *API) removePolicy(r *http.Request) reply {
	if err := a.cfg.Policies.RemovePolicy(r.PathValue("policy")); err != nil {
		return failure(http.StatusNotFound, "policy does not exists")
	}
	return jsonReply(http.StatusOK, object{})
}

func (a *API) stop(*http.Request) reply {
	go a.cfg.Stop() // Stop may wait for this request to end
	return reply{status: http.StatusOK}
}

type object = map[string]any

// inputVersion is the version of all inputs in answers.
const inputVersion = "visor.module.input/1.0"

func (a *API) tapObject(t *policy.Tap) object {
	var tags any // null without tags, as in pktvisor
	if t.Tags != nil {
		tags = t.Tags
	}
	out := object{"config": table(a.cfg.Policies.Types().Redact(t.InputType, t.Config)), "input_type": t.InputType, "interface": inputVersion, "tags": tags}
	if t.Anonymize != nil {
		out["anonymize"] = t.Anonymize.Options()
	}
	return out
}

// table returns o, or an empty object instead of null.
func table(o policy.Options) policy.Options {
	if o == nil {
		return policy.Options{}
	}
	return o
}

// policyObject describes a policy and the account of its input. A tap that was deleted since is
// omitted, although its input continues.
func (a *API) policyObject(p *policy.Running) object {
	taps, inputs, modules := make(object), make(object), make(object)
	there := a.cfg.Policies.Taps()
	for i := range p.Parts {
		part := &p.Parts[i]
		if slices.ContainsFunc(there, func(t policy.Tap) bool { return t.Name == part.Tap.Name }) {
			taps[part.Tap.Name] = a.tapObject(&part.Tap)
		}
		src := part.InputStatus()
		inputs[part.Input] = object{
			"input":   object{"consumers": src.Policies, "running": src.Running},
			"module":  object{"config": table(a.cfg.Policies.Types().Redact(src.Type, src.Config)), "name": part.Input},
			src.Type:  table(src.Facts),
			"account": newInputAccount(part),
		}
		accounts := part.Attachment.Accounts()
		for j, info := range part.Attachment.Infos() {
			module := moduleObject(part, j)
			module["account"] = accounts[info.Name]
			modules[info.Name] = module
		}
	}
	out := object{"taps": taps, "input": inputs, "modules": modules}
	if p.Policy.Anonymize != nil {
		out["anonymize"] = p.Policy.Anonymize.Options()
	}
	return out
}
