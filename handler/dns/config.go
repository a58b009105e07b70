package dns

import (
	"errors"
	"fmt"
	"time"

	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
)

// Config configures a Handler. The zero Config is ready to use. All filters that are set must pass.
type Config struct {
	handler.Settings

	Geo          *geo.DB       // nil leaves the geo lists empty; the caller keeps ownership
	Timeout      time.Duration // a query unanswered for this long has timed out; 0 means 5 s
	Transactions int           // queries that may wait at once, in each worker; 0 means 65536
	PublicSuffix bool          // cut names behind the public suffix, not behind the top-level domain

	OnlyRCodes        []dnsmsg.RCode // pass replies with one of these codes
	ExcludeNoError    bool           // drop messages with code 0, queries too; OnlyRCodes is then ignored
	AnswerCount       *uint16        // pass messages with this many answer records; nil is off
	OnlyQueries       bool           // pass queries
	OnlyReplies       bool           // pass replies
	OnlySignedReplies bool           // pass replies with an RRSIG record in the answer section
	OnlyQTypes        []dnsmsg.Type  // pass messages whose first question has one of these types
	OnlyQNames        []string       // pass messages whose first QNAME is one of these, in any case
	OnlySuffixes      []string       // pass messages whose first QNAME ends with one of these; names are then cut behind it
	OnlyTapped        dnstapmsg.Type // pass dnstap messages of this type, queries and responses, and all packets; 0 is off
	GeoNotFound       bool           // pass queries with a client subnet whose location is unknown
	ASNNotFound       bool           // pass queries with a client subnet whose autonomous system is unknown
}

// Handler is the DNS analyzer, of version 1.0.
type Handler struct{ declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or what is wrong with cfg.
func New(cfg Config) (*Handler, error) {
	d, err := declare[Metrics](cfg, "1.0", groupNames, defaultGroups)
	if err != nil {
		return nil, err
	}
	return &Handler{d}, nil
}

// From returns what the DNS handler of version 1.0 in s counted, or nil if s has none. With several it is the first.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// declared is embedded by the handlers of all versions.
type declared[M any] struct {
	handler.Declared[M]
	cfg Config
}

func declare[M any](cfg Config, version string, names metric.GroupNames, defaults metric.GroupSet) (declared[M], error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Transactions == 0 {
		cfg.Transactions = 65536
	}
	d, err := handler.Declare[M](handler.Spec{Type: "dns", Version: version, Groups: names, Defaults: defaults}, cfg.Settings)
	if cfg.Timeout < 0 || cfg.Transactions < 0 {
		err = errors.Join(err, fmt.Errorf("dns: Timeout %v and Transactions %d must not be negative", cfg.Timeout, cfg.Transactions))
	}
	return declared[M]{d, cfg}, err
}
