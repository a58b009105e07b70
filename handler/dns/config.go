package dns

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/geo"
	"visor/handler"
	"visor/handler/metric"
)

// Config configures a Handler. The zero Config is ready to use. An event must pass all configured
// filters.
type Config struct {
	handler.Settings

	Geo          *geo.DB // nil leaves the geo lists empty; the caller keeps ownership
	Transactions int     // queries that may wait at once, in each worker; 0 means 65536

	// OnlyRCodes has no effect if ExcludeNoError is set. AnswerCount nil and OnlyDNSTap 0 are off.
	ExcludeNoError    bool           `policy:"exclude_noerror" help:"drops messages with code 0, queries too; only_rcode then has no effect"`
	OnlyRCodes        []dnsmsg.RCode `policy:"only_rcode" type:"number or list of texts" help:"passes replies with one of these codes"`
	OnlyQueries       bool           `policy:"only_queries" only:"1.0" help:"passes queries"`
	OnlyReplies       bool           `policy:"only_responses" only:"1.0" help:"passes replies"`
	OnlySignedReplies bool           `policy:"only_dnssec_response" help:"passes replies with an RRSIG record in the answer section"`
	AnswerCount       *uint16        `policy:"answer_count" type:"number" range:"0-65535" help:"passes messages with this many answer records"`
	OnlyQTypes        []dnsmsg.Type  `policy:"only_qtype" help:"passes messages whose first question has one of these types"`
	OnlyQNames        []string       `policy:"only_qname" help:"passes messages whose first QNAME is one of these, in any case"`
	OnlySuffixes      []string       `policy:"only_qname_suffix" help:"passes messages whose first QNAME ends with one of these; names are then cut behind it"`
	GeoNotFound       bool           `policy:"geoloc_notfound" help:"passes queries with a client subnet whose location is unknown"`
	ASNNotFound       bool           `policy:"asn_notfound" help:"passes queries with a client subnet whose autonomous system is unknown"`
	OnlyDNSTap        dnstapmsg.Type `policy:"dnstap_msg_type" type:"text" help:"passes dnstap messages of this type, queries and responses, and all packets"`

	PublicSuffix bool `policy:"public_suffix_list" help:"cuts names behind the public suffix, not behind the top-level domain"`

	// Lengths of the prefixes of clients' subnets, in bits; 0 means 24 and 48.
	ClientSubnetV4 int `policy:"client_subnet_v4" range:"1-32" help:"bits of IPv4 addresses by which clients are put into subnets, 24 by default"`
	ClientSubnetV6 int `policy:"client_subnet_v6" range:"1-128" help:"bits of IPv6 addresses by which clients are put into subnets, 48 by default"`

	_ struct{} `policy:"recorded_stream" help:"has no effect: the pipeline detects recordings"`

	// Timeout is the time that a query waits for its reply; 0 means 5 s.
	Timeout time.Duration `policy:"xact_ttl_secs,xact_ttl_ms" help:"a query unanswered for this long has timed out"`
}

// Handler is the DNS analyzer, of version 1.0.
type Handler struct{ declared[Metrics] }

var _ handler.Handler = (*Handler)(nil)

// New returns a Handler, or an error listing all problems in cfg.
func New(cfg Config) (*Handler, error) {
	d, err := declare[Metrics](cfg, "1.0", groupNames, defaultGroups, ownGroups)
	if err != nil {
		return nil, err
	}
	d.Bound(func(m *Metrics) { boundServers(&m.Servers) })
	return &Handler{d}, nil
}

// From returns the metrics of the first DNS handler of version 1.0 in s, or nil without one.
func From(s *handler.Snapshot) *Metrics { return handler.Find[Metrics](s) }

// declared is embedded by the handlers of all versions.
type declared[M any] struct {
	handler.Declared[M]
	cfg Config
}

func declare[M any](cfg Config, version string, names metric.GroupNames, defaults, own metric.GroupSet) (declared[M], error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Transactions == 0 {
		cfg.Transactions = 65536
	}
	spec := handler.Spec{Type: "dns", Version: version, Groups: names, Defaults: defaults, Own: own, Forwards: true}
	cfg.ClientSubnetV4 = cmp.Or(cfg.ClientSubnetV4, 24)
	cfg.ClientSubnetV6 = cmp.Or(cfg.ClientSubnetV6, 48)
	d, err := handler.Declare[M](spec, cfg.Settings)
	if cfg.Timeout < 0 || cfg.Transactions < 0 {
		err = errors.Join(err, fmt.Errorf("dns: Timeout %v and Transactions %d must not be negative", cfg.Timeout, cfg.Transactions))
	}
	if v4, v6 := cfg.ClientSubnetV4, cfg.ClientSubnetV6; v4 < 1 || v4 > 32 || v6 < 1 || v6 > 128 {
		err = errors.Join(err, fmt.Errorf("dns: ClientSubnetV4 %d must be from 1 to 32, and ClientSubnetV6 %d from 1 to 128", v4, v6))
	}
	return declared[M]{d, cfg}, err
}
