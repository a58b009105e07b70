package alert

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"visor/export/findings"
	"visor/handler/options"
)

// Config configures a Dispatcher. The zero Config has no receivers.
type Config struct {
	MinSeverity findings.Severity `policy:"min_severity" values:"info warning attack" help:"findings below this severity cause no alerts; warning by default"`
	// Findings with equal values of these are one alert. Empty means kind and subject.
	GroupBy []string `policy:"group_by" values:"policy module kind subject" help:"findings with equal values of these are one alert; kind and subject by default"`
	// time without findings before an alert is resolved
	ResolveAfter time.Duration `policy:"resolve_after_secs" range:"0-86400" help:"time without a finding until the alert is resolved; 0 by default, since findings last for some periods themselves"`
	// An alert that fires again within this time waits until its end. 0 means 3 minutes, and a
	// negative time means none.
	CoolDown  time.Duration       `policy:"cool_down_secs" range:"1-86400" help:"an alert that was resolved does not fire again before this time; 180 by default"`
	Silences  map[string]Silence  `policy:"silences" help:"findings without alerts, by name of the silence"`
	Receivers map[string]Receiver `policy:"receivers" help:"where alerts are sent, by name"`

	// File with what has fired and with what waits, which makes alerts survive a restart: an alert
	// that lasts goes on with its key, or is resolved. Only the owner can read it. "" means none.
	StateFile string

	Agent   string // name of this agent in messages and in the label instance; "" omits it
	Pending int    // bytes of messages that may wait for a receiver; 0 means 8 MiB
	// how long a message waits for its receiver; 0 means 24 hours
	Keep time.Duration
	// wait before the second attempt, doubled for each further one up to 1 minute; 0 means 1 s
	Backoff time.Duration
	Timeout time.Duration // timeout of an attempt; 0 means 10 s
	Repeat  time.Duration // how often an Alertmanager gets alerts that last; 0 means 1 minute

	// sends requests; nil means one with the CAFile of the receiver
	Transport http.RoundTripper
	ReadFile  func(string) ([]byte, error) // reads files of receivers; nil means os.ReadFile
	Logger    *slog.Logger                 // logs losses and failures; nil disables logging
}

// Kinds of receivers.
const (
	Webhook      = "webhook"
	Alertmanager = "alertmanager"
)

// Receiver is an HTTP server that receives alerts.
type Receiver struct {
	Type string `policy:"type" values:"webhook alertmanager" help:"webhook, or alertmanager for its API v2"`
	// of a webhook, or the base of an Alertmanager's API as http://localhost:9093
	URL string `policy:"url" help:"URL of the webhook, or the Alertmanager's base URL such as http://localhost:9093"`
	// secret that signs messages of a webhook, at least 16 bytes; "" does not sign. See [Verify].
	SecretFile string `policy:"secret_file" type:"file" help:"file with the secret that signs the messages of a webhook, at least 16 bytes"`
	TokenFile  string `policy:"token_file" type:"file" help:"file with a bearer token for the receiver"`
	CAFile     string `policy:"ca_file" type:"file" help:"file with the authorities for the receiver's certificate, PEM; the system has the default ones"`
}

// Silence matches findings that cause no alerts. An empty field matches all. An alert that had
// fired before the silence began is resolved as usual. When the silence ends, findings that last
// cause alerts.
type Silence struct {
	Policy  string    `policy:"policy" help:"name of the policy, * stands for any text"`
	Module  string    `policy:"module" help:"name of the module, * stands for any text"`
	Kind    string    `policy:"kind" help:"kind of finding, * stands for any text"`
	Subject string    `policy:"subject" help:"subject, * stands for any text"`
	From    time.Time `policy:"from" help:"begin, such as 2026-12-01T06:00:00Z; always by default"`
	Until   time.Time `policy:"until" help:"end; never by default"`
}

func (c Config) withDefaults() Config {
	c.MinSeverity = cmp.Or(c.MinSeverity, findings.Warning)
	c.CoolDown = cmp.Or(c.CoolDown, 3*time.Minute)
	c.Pending = cmp.Or(c.Pending, 8<<20)
	c.Keep = cmp.Or(c.Keep, 24*time.Hour)
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Repeat = cmp.Or(c.Repeat, time.Minute)
	if len(c.GroupBy) == 0 {
		c.GroupBy = []string{"kind", "subject"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Keys returns the keys of the section alerts of a configuration file.
func Keys() []options.Key { return options.Keys[Config]("") }

// Read returns the Config of the section alerts of a configuration file. Its error lists all
// problems with their keys, see [options.Problems]. It opens no file.
func Read(table options.Table) (Config, error) {
	var cfg Config
	problems := options.Read(table, &cfg, "", options.Dialect{})
	problems = append(problems, unknown[Receiver](table, "receivers")...)
	problems = append(problems, unknown[Silence](table, "silences")...)
	if len(problems) == 0 {
		problems = cfg.problems()
	}
	if len(problems) > 0 {
		return cfg, problems
	}
	return cfg, nil
}

// unknown returns the problems of unknown keys in the tables at a key.
func unknown[T any](table options.Table, key string) (problems options.Problems) {
	tables, _ := table[key].(options.Table)
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		entry, _ := tables[name].(options.Table)
		for _, p := range options.Unknown(entry, options.Names(options.Keys[T](""))) {
			p.Path = append([]string{key, name}, p.Path...)
			problems = append(problems, p)
		}
	}
	return problems
}

// problems returns all invalid values.
func (c *Config) problems() (problems options.Problems) {
	if !slices.Contains([]findings.Severity{"", findings.Info, findings.Warning, findings.Attack}, c.MinSeverity) {
		problems = append(problems, options.At(fmt.Errorf("min_severity has no value %q", c.MinSeverity), "min_severity"))
	}
	for _, by := range c.GroupBy {
		if !slices.Contains(groupable, by) {
			problems = append(problems, options.At(fmt.Errorf("group_by has no value %q. Its values are: %s", by, strings.Join(groupable, ", ")), "group_by"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Silences)) {
		s := c.Silences[name]
		if err := s.check(); err != nil {
			problems = append(problems, options.At(fmt.Errorf("silence %q: %w", name, err), "silences", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Receivers)) {
		r := c.Receivers[name]
		if err := r.check(); err != nil {
			problems = append(problems, options.At(fmt.Errorf("receiver %q: %w", name, err), "receivers", name))
		}
	}
	return problems
}

func (r *Receiver) check() error {
	u, err := url.Parse(r.URL)
	switch {
	case r.Type != Webhook && r.Type != Alertmanager:
		return errors.New("type must be webhook or alertmanager")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		// without the URL, which may have a password
		return errors.New("url must begin with http:// or https:// and a host")
	case r.Type == Alertmanager && (u.RawQuery != "" || u.Fragment != ""):
		return errors.New("url of an Alertmanager has neither ? nor #: it is the base of the API")
	case r.SecretFile != "" && r.Type != Webhook:
		return errors.New("secret_file is for webhooks: an Alertmanager does not check signatures")
	}
	return nil
}

func kinds() (out []string) {
	for _, k := range findings.Kinds() {
		out = append(out, string(k))
	}
	return out
}

func (s *Silence) check() error {
	switch {
	case !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until):
		return errors.New("until must be after from")
	case !slices.ContainsFunc(findings.Kinds(), func(k findings.Kind) bool { return matches(s.Kind, string(k)) }):
		return fmt.Errorf("no kind of finding is %q. Kinds are: %s", s.Kind, strings.Join(kinds(), ", "))
	}
	return nil
}
