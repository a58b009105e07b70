package findings

import (
	"time"
)

// Kind is a kind of finding.
type Kind string

// The kinds of finding.
const (
	// RandomLabels is a domain with queries for many names that do not exist: the attack called
	// water torture.
	RandomLabels Kind = "random_labels"
	// Tunnel is a domain whose names carry data.
	Tunnel Kind = "tunnel"
	// Spike is traffic far above the usual level.
	Spike Kind = "volume_spike"
	// Reflection is a server that is abused to send large replies to a victim.
	Reflection Kind = "reflection"
	// Scan is a host that tries many ports or hosts.
	Scan Kind = "scan"
	// Enumerator is a client that lists the names of a domain by trying words or numbers or by
	// walking or copying its zone, or that tries names of many domains.
	Enumerator Kind = "enumerator"
	// Trouble is a server that fails, times out or is slow.
	Trouble Kind = "server_trouble"
	// Vanished is a subject that had traffic and has none.
	Vanished Kind = "vanished"
	// Capture is traffic that is not seen completely.
	Capture Kind = "capture_trouble"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{RandomLabels, Tunnel, Spike, Reflection, Scan, Enumerator, Trouble, Vanished, Capture}
}

// Severity orders findings by urgency.
type Severity string

// The severities, in ascending order.
const (
	Info    Severity = "info"
	Warning Severity = "warning"
	Attack  Severity = "attack"
)

// rank returns the place of s in the order of severities.
func (s Severity) rank() int {
	switch s {
	case Attack:
		return 2
	case Warning:
		return 1
	}
	return 0
}

// Finding is one conclusion about the traffic of some periods: an episode. It is immutable.
type Finding struct {
	// Key is the same from the beginning of an episode to its end. A later episode of the same kind
	// and subject has another key.
	Key      string   `json:"key"`
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Policy   string   `json:"policy,omitempty"` // set by the program that runs the Watcher
	Module   string   `json:"module"`           // name of the handler whose metrics show it
	Subject  string   `json:"subject"`          // domain, client, server or metric
	// Since is the start of the first period that shows it, and Until the end of the last one.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Resolved is set after some periods that do not show it. Ended is set too if the policy has
	// ended before, and Usual if it lasted for so long that it counts as usual.
	Resolved bool `json:"resolved"`
	Ended    bool `json:"ended,omitempty"`
	Usual    bool `json:"usual,omitempty"`
	// Replaced is set with Ended if another policy has replaced the one that has ended. If the
	// finding lasts, that policy finds it again, with another key.
	Replaced bool     `json:"replaced,omitempty"`
	Figures  []Figure `json:"figures"` // the first one is the reason for the finding
	Evidence Evidence `json:"evidence"`
	Text     string   `json:"text"` // one sentence in English
}

// Figure is a number that supports a finding.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Usual is the median of earlier periods; nil without a baseline.
	Usual *float64 `json:"usual,omitempty"`
	// "per second", "per cent", "seconds" or "microseconds"; "" for counts
	Unit string `json:"unit,omitempty"`
}

// Evidence is what supports a finding, taken from the period in which it was strongest. Fields
// without data are empty.
type Evidence struct {
	Examples []string `json:"examples,omitempty"` // such as names with random labels
	Clients  []Part   `json:"clients,omitempty"`  // heaviest first
	Subnets  []Part   `json:"subnets,omitempty"`
	AS       []Part   `json:"as,omitempty"`
	Shares   []Part   `json:"shares,omitempty"` // of the module: "IPv4", "IPv6", "UDP", "TCP"
	// Concentration is the share of the heaviest client, or of the heaviest part of what grew; from
	// 0 to 1, 0 if unknown.
	Concentration float64 `json:"concentration,omitempty"`
	Lists         []List  `json:"lists,omitempty"` // top lists of the period, related ones first
}

// Part is a part of the traffic.
type Part struct {
	Name  string  `json:"name"`
	Count uint64  `json:"count"`
	Share float64 `json:"share"`           // of the whole that the field is about, from 0 to 1
	Grown float64 `json:"grown,omitempty"` // growth per second against the baseline
}

// List is a top list.
type List struct {
	Name  string `json:"name"` // path of the metric in JSON, with dots
	Items []Part `json:"items"`
}
