package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"path"
	"strconv"
	"strings"
	"time"

	"visor/handler/policy"
)

// Config configures an API. Policies is required.
type Config struct {
	Policies *policy.Manager // what is asked and changed; the caller keeps ownership
	Admin    bool            // taps and policies may be created and deleted, and the server stopped
	Token    string          // what an Authorization header must bear (RFC 6750), but for /healthz and /readyz; "" asks for none
	Version  string          // of the program, shown by /api/v1/metrics/app
	Instance string          // label "instance" of Prometheus; "" for none

	// GreatestAsSum makes _sum of Prometheus' summaries the greatest value, as pktvisor has it.
	GreatestAsSum bool

	MaxBody      int64         // bytes of a request's body; 0 means 1 MiB
	Profile      bool          // offers /debug/pprof/, which shows the insides of the process
	Ready        func() error  // why the program is not ready; nil always is
	Stop         func()        // stops the program, for DELETE /api/v1/server; nil leaves out that route
	TokenFile    string        // holds the token in place of Token; read again when it changes
	Hosts        []string      // names of this server, besides localhost and its addresses: with Admin and no token, requests for other names are refused
	ReadFile     FileReader    // reads TokenFile; nil is os.ReadFile
	Strict       bool          // refuses documents that there are warnings about, as ?strict=1 does for one
	AnswerBytes  int           // bytes of all answers that are being sent; 0 means 64 MiB
	Certificates *Certificates // whose failures are shown as metrics; nil is none
	Push         func() Push   // what became of pushed metrics; nil leaves it out
	Logger       *slog.Logger  // told of each request, and of what fails; nil is silence
}

// API is an http.Handler. It is safe for concurrent use.
type API struct {
	cfg     Config
	mux     *http.ServeMux
	started time.Time
	openAPI []byte
	schemas map[string]answerSchema // by type and version
	guard   guard
	answers *renderings
}

var _ http.Handler = (*API)(nil)

// New returns an API, or what is wrong with cfg.
func New(cfg Config) (*API, error) {
	if cfg.Policies == nil {
		return nil, errors.New("httpapi: Config.Policies is required")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 1<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux(), started: time.Now(), answers: newRenderings(cmp.Or(cfg.AnswerBytes, answerBytes))}
	var err error
	if a.guard, err = newGuard(&cfg); err != nil {
		return nil, err
	}
	if a.schemas, err = handlerSchemas(cfg.Policies.Types()); err != nil {
		return nil, err
	}
	routes := a.routes()
	if a.openAPI, err = describe(routes, a.schemas, cfg.Version, &a.guard); err != nil {
		return nil, err
	}
	for i := range routes {
		a.mount(&routes[i])
	}
	if cfg.Profile {
		a.mountProfiles()
	}
	return a, nil
}

// reply is what a route answers.
type reply struct {
	status int
	typ    string // Content-Type; "" without a body
	body   []byte
	retry  int // seconds after which the client may try again; 0 says nothing
}

const (
	typeJSON = "text/json"
	typeProm = "text/plain; version=0.0.4; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// jsonReply answers with v as JSON.
func jsonReply(status int, v any) reply {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: status, typ: typeJSON, body: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}

func failure(status int, text string) reply {
	return jsonReply(status, map[string]string{"error": text})
}

// nothing is the answer to what is not there. pktvisor's has no body.
func nothing(r *http.Request) reply {
	return failure(http.StatusNotFound, fmt.Sprintf("%s %s is not there; GET /openapi.json lists what is", r.Method, r.URL.Path))
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	a.serve(sw, r)
	a.cfg.Logger.Debug("REQUEST: "+r.Method+" "+r.URL.Path, "status", sw.status, "client", r.RemoteAddr)
}

// serve gives a request to its route. Paths that are not those of a route to the letter are not found: the mux would redirect some, and
// complain of the method of others, which the reference does not.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	_, pattern := a.mux.Handler(r)
	clean := path.Clean(r.URL.Path)
	if pattern == "" || r.URL.Path != clean && (r.URL.Path != clean+"/" || !strings.HasSuffix(pattern, "/")) {
		write(w, a.absent(r))
		return
	}
	probe := pattern == "GET /healthz" || pattern == "GET /readyz"
	if rep := a.guard.refusal(r); rep.status != 0 && !probe {
		if rep.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="visor"`)
		}
		write(w, rep)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, a.cfg.MaxBody)
	a.mux.ServeHTTP(w, r)
}

// absent answers a request that no route serves.
func (a *API) absent(r *http.Request) reply {
	changes := r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodDelete
	if changes && !a.cfg.Admin {
		return failure(http.StatusNotFound, fmt.Sprintf("%s %s is not there: changes need the admin API (visord --admin-api)", r.Method, r.URL.Path))
	}
	return nothing(r)
}

// mount adds a route to the mux.
func (a *API) mount(rt *route) {
	a.mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range rt.names() {
			if value := r.PathValue(name); name != "n" && name != "schema" && !policy.IsName(value) {
				write(w, nothing(r))
				return
			}
		}
		rep, sent := a.reply(rt, r)
		defer sent()
		if rep.status == http.StatusInternalServerError {
			a.cfg.Logger.Error(string(rep.body))
		}
		write(w, rep)
	})
}

// reply makes the answer of a route. Those that cost much are made a few at a time, and shared.
func (a *API) reply(rt *route, r *http.Request) (rep reply, sent func()) {
	if !rt.shared() {
		return rt.serve(r), func() {}
	}
	return a.answers.answer(r.Context(), r.URL.Path, func() reply { return rt.serve(r) })
}

func (a *API) mountProfiles() {
	for pattern, h := range map[string]http.HandlerFunc{
		"/": pprof.Index, "/cmdline": pprof.Cmdline, "/profile": pprof.Profile, "/symbol": pprof.Symbol, "/trace": pprof.Trace,
	} {
		a.mux.HandleFunc("GET /debug/pprof"+pattern, h)
	}
}

func write(w http.ResponseWriter, rep reply) {
	if rep.typ != "" {
		w.Header().Set("Content-Type", rep.typ)
	}
	if rep.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(rep.retry))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(rep.body)))
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // the client is gone: nobody to tell
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
