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
	"sync"
	"time"

	"visor/export/alert"
	"visor/export/history"
	"visor/export/prom/protobuf"
	"visor/handler"
	"visor/handler/policy"
)

// Config configures an API. Policies is required.
type Config struct {
	Policies *policy.Manager // policies to show and change; the caller keeps ownership
	// allow clients to create and delete taps and policies, and to stop the server
	Admin bool
	// bearer token that clients must send (RFC 6750), except for /healthz and /readyz; "" requires
	// none
	Token    string
	Version  string // version of the program, shown by /api/v1/metrics/app
	Instance string // label "instance" of Prometheus; "" omits it

	// GreatestAsSum sets _sum of Prometheus' summaries to the greatest value, as in pktvisor.
	GreatestAsSum bool

	MaxBody int64        // maximum size of a request's body in bytes; 0 means 1 MiB
	Profile bool         // serve /debug/pprof/, which exposes the internals of the process
	Ready   func() error // returns an error while the program is not ready; nil means always ready
	// stops the program, for DELETE /api/v1/server; nil omits that route
	Stop      func()
	TokenFile string // file with the token, instead of Token; read again when it changes
	// names of this server, in addition to localhost and its addresses; with Admin and no token,
	// requests with other names are rejected
	Hosts    []string
	ReadFile FileReader // reads TokenFile; nil means os.ReadFile
	// reject documents that cause warnings, as ?strict=1 does for one document
	Strict       bool
	AnswerBytes  int            // maximum size of all answers in transit, in bytes; 0 means 64 MiB
	Certificates *Certificates  // certificates whose failures are shown as metrics; may be nil
	Origin       handler.Origin // agent and program in snapshots
	Push         func() Push    // counts of pushed metrics; nil omits them
	// counts of alerts; nil omits them
	Alerts func() alert.Stats
	// answers for ranges of time; nil leaves them out. The caller keeps ownership
	History *history.Store
	// logs each request at debug level, and failures; nil disables logging
	Logger *slog.Logger
}

// API is an http.Handler. It is safe for concurrent use.
type API struct {
	cfg     Config
	mux     *http.ServeMux
	started time.Time
	guard   guard
	answers *renderings
	askers  askers
	encoder encoder

	draining chan struct{} // closed by Drain
	drain    sync.Once

	// made by the first request for them: this takes longer than the rest of New
	schemas func() (map[string]answerSchema, error) // keyed by type and version
	openAPI func() ([]byte, error)
}

var _ http.Handler = (*API)(nil)

// New returns an API, or an error listing all problems of cfg.
func New(cfg Config) (*API, error) {
	if cfg.Policies == nil {
		return nil, errors.New("httpapi: Config.Policies is required")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 1<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux(), started: time.Now(), answers: newRenderings(cmp.Or(cfg.AnswerBytes, answerBytes)), draining: make(chan struct{})}
	var err error
	if a.guard, err = newGuard(&cfg); err != nil {
		return nil, err
	}
	routes := a.routes()
	a.schemas = sync.OnceValues(func() (map[string]answerSchema, error) { return handlerSchemas(cfg.Policies.Types()) })
	a.openAPI = sync.OnceValues(func() ([]byte, error) { return a.describe(routes) })
	for i := range routes {
		a.mount(&routes[i])
	}
	if cfg.Profile {
		a.mountProfiles()
	}
	return a, nil
}

// Drain ends the waiting of requests: a question is answered with 503, and a new policy without
// waiting for its recording. It is for [http.Server.RegisterOnShutdown], since Shutdown would
// otherwise wait for them.
func (a *API) Drain() { a.drain.Do(func() { close(a.draining) }) }

// reply is the answer of a route.
type reply struct {
	status int
	typ    string // Content-Type; "" without a body
	body   []byte
	retry  int // Retry-After in seconds; 0 omits it
}

const (
	typeJSON = "text/json"
	typeProm = "text/plain; version=0.0.4; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// jsonReply returns a reply with v as JSON.
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

// nothing returns the reply for an unknown resource. Unlike pktvisor's, it has a body.
func nothing(r *http.Request) reply {
	return failure(http.StatusNotFound, fmt.Sprintf("%s %s is not there; GET /openapi.json lists what is", r.Method, r.URL.Path))
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	a.serve(sw, r)
	a.cfg.Logger.Debug("REQUEST: "+r.Method+" "+r.URL.Path, "status", sw.status, "client", r.RemoteAddr)
}

// serve routes a request. A path must match a route exactly. Otherwise the mux would redirect some
// paths and reject the method of others, which pktvisor does not do.
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

// absent answers a request that matches no route.
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
		if rt.lasts() {
			extend(w, askLongest+askMargin)
		}
		rep, sent := a.reply(rt, r)
		defer sent()
		if rep.status == http.StatusInternalServerError {
			a.cfg.Logger.Error(string(rep.body))
		}
		write(w, rep)
	})
}

// reply makes the answer of a route. The number of expensive answers made at the same time is
// limited, and clients share them.
func (a *API) reply(rt *route, r *http.Request) (rep reply, sent func()) {
	if !rt.shared() {
		return rt.serve(r), func() {}
	}
	key := rt.key(r)
	if protobuf.Accepted(r.Header.Get("Accept")) {
		key += " protobuf"
	}
	return a.answers.answer(r.Context(), key, func() reply { return rt.serve(r) })
}

func (a *API) mountProfiles() {
	for pattern, h := range map[string]http.HandlerFunc{
		"/": pprof.Index, "/cmdline": pprof.Cmdline, "/profile": pprof.Profile, "/symbol": pprof.Symbol, "/trace": pprof.Trace,
	} {
		a.mux.HandleFunc("GET /debug/pprof"+pattern, h)
	}
}

// extend moves the deadlines of a request and its answer.
func extend(w http.ResponseWriter, by time.Duration) {
	control, end := http.NewResponseController(w), time.Now().Add(by)
	_ = control.SetReadDeadline(end) // the connection may not have deadlines
	_ = control.SetWriteDeadline(end)
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
	_, _ = w.Write(rep.body) // the client has disconnected
}

// statusWriter stores the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the wrapped writer for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
