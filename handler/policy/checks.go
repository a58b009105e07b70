package policy

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
)

func (p *probeInput) statuses() {
	p.cfg.Checks.Expected = p.statusList("expected_status")
	p.cfg.Checks.Failure = p.statusList("failure_status")
}

func (p *probeInput) statusList(key string) (out []probe.Statuses) {
	for _, text := range p.List(key) {
		s, ok, inRange := parseStatuses(text)
		switch {
		case !ok:
			p.wrong(key, "netprobe: %s: invalid status entry '%s'", key, text)
		case !inRange:
			p.wrong(key, "netprobe: %s: invalid status entry '%s' (codes must be 100-599, ranges low-high)", key, text)
		}
		out = append(out, s)
	}
	return out
}

// parseStatuses reads a code "204", a class "2xx" or a range "200-299". As in pktvisor, numbers
// above 599 are not codes.
func parseStatuses(text string) (s probe.Statuses, ok, inRange bool) {
	if len(text) == 3 && text[0] >= '1' && text[0] <= '5' && strings.EqualFold(text[1:], "xx") {
		low := int(text[0]-'0') * 100
		return probe.Statuses{Low: low, High: low + 99}, true, true
	}
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	from, ok1 := statusCode(low)
	to, ok2 := statusCode(high)
	return probe.Statuses{Low: from, High: to}, ok1 && ok2, from >= 100 && from <= to
}

func statusCode(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && n <= 599
}

func (p *probeInput) bodies() {
	c := &p.cfg.Checks
	c.Contains, c.NotContains = p.Text("expected_body"), p.Text("not_contains")
	c.Matches, c.NotMatches = p.regex("expected_body_regex"), p.regex("body_not_matches_regex")
	if c.MaxBody = p.Int("body_check_max_bytes", 1<<30); p.has("body_check_max_bytes") && c.MaxBody == 0 {
		p.wrong("body_check_max_bytes", "netprobe: body_check_max_bytes must be greater than 0")
	}
}

// regex reads a pattern. Errors do not quote it, because it may be a secret.
func (p *probeInput) regex(key string) *regexp.Regexp {
	pattern := p.Text(key)
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		p.wrong(key, "netprobe: %s is not a valid ECMAScript regular expression", key)
	}
	return re
}

// answers reads the conditions on a response other than its status and text.
func (p *probeInput) answers() {
	c := &p.cfg.Checks
	c.JSON = p.jsonCheck()
	if p.has("min_response_size_bytes") || p.has("max_response_size_bytes") {
		c.Sizes = &probe.Sizes{Min: p.number("min_response_size_bytes", 0), Max: p.number("max_response_size_bytes", math.MaxUint64)}
		if c.Sizes.Min > c.Sizes.Max {
			p.missing("netprobe: min_response_size_bytes must not exceed max_response_size_bytes")
		}
	}
	c.NotHeaders, c.Headers = p.headerRules("fail_if_header_matches"), p.headerRules("fail_if_header_not_matches")
	c.MaxAge = time.Duration(p.Int("max_last_modified_diff_secs", math.MaxInt32)) * time.Second
	c.HTTPVersions = p.List("valid_http_versions")
	for _, v := range c.HTTPVersions {
		if !slices.Contains([]string{"1.0", "1.1", "2", "3"}, v) {
			p.wrong("valid_http_versions", "netprobe: invalid valid_http_versions entry '%s' (use 1.0, 1.1, 2, or 3)", v)
		}
	}
}

// jsonCheck accepts numbers and flags for json_equals, because a text of digits is parsed as a
// number.
func (p *probeInput) jsonCheck() *probe.JSONCheck {
	if !p.has("json_path") {
		if p.has("json_equals") {
			p.missing("netprobe: 'json_equals' requires 'json_path'")
		}
		return nil
	}
	path := p.Text("json_path")
	pointer, ok := probe.ParsePointer(path)
	if !ok {
		p.wrong("json_path", "netprobe: json_path is not a valid JSON Pointer (RFC 6901): '%s'", path)
	}
	check := &probe.JSONCheck{Pointer: pointer}
	switch v := p.opts["json_equals"].(type) {
	case nil:
	case string, uint64, bool:
		check.Equals = new(fmt.Sprint(v))
	default:
		p.wrong("json_equals", "wrong type for key: json_equals")
	}
	return check
}

func (p *probeInput) headerRules(key string) map[string]*regexp.Regexp {
	patterns := value[Options](&p.Reader, key)
	if len(patterns) == 0 {
		return nil
	}
	out := make(map[string]*regexp.Regexp, len(patterns))
	for _, name := range slices.Sorted(maps.Keys(patterns)) {
		re, err := regexp.Compile(fmt.Sprint(patterns[name]))
		if err != nil {
			p.wrong(key, "netprobe: header value_regex is not a valid ECMAScript regular expression (header '%s')", name)
		}
		out[name] = re
	}
	return out
}

// query reads the DNS question.
func (p *probeInput) query() {
	name, typ := p.Text("qname"), "A"
	if p.has("qtype") {
		typ = strings.ToUpper(p.Text("qtype"))
	}
	if p.typ != "doh" && p.typ != "dns" {
		return
	}
	if name == "" {
		p.missing("netprobe: 'qname' is required when test_type is '%s'", p.typ)
		return
	}
	if name != "." {
		name = strings.TrimSuffix(name, ".")
		p.labels(name)
	}
	q := &p.cfg.Query
	var ok bool
	if q.Name = name; typ != "" {
		if q.Type, ok = dnsmsg.ParseType(typ); !ok {
			p.wrong("qtype", "netprobe: unknown qtype '%s'", typ)
		}
	}
	p.transport()
}

func (p *probeInput) labels(name string) {
	if len(name) > 253 {
		p.wrong("qname", "netprobe: qname '%s' exceeds the 253-character DNS name limit", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			p.wrong("qname", "netprobe: qname '%s' has an empty DNS label", name)
		case len(label) > 63:
			p.wrong("qname", "netprobe: qname '%s' has a DNS label longer than 63 characters", name)
		}
	}
}

// transport reads the transport of a DNS test, and the port for targets without one.
func (p *probeInput) transport() {
	if p.typ != "dns" {
		return
	}
	name := p.Text("transport")
	transports := map[string]probe.Transport{"": probe.UDP, "udp": probe.UDP, "tcp": probe.TCP, "dot": probe.TLS}
	var ok bool
	if p.cfg.Query.Transport, ok = transports[name]; !ok {
		p.wrong("transport", "netprobe: unknown transport '%s' (use udp, tcp, or dot)", name)
	}
	port := uint16(p.Int("port", 0xFFFF))
	for i := range p.cfg.Targets {
		if t := &p.cfg.Targets[i]; t.Port == 0 {
			t.Port = port
		}
	}
}

// unfit reports keys that do not apply to the type of test.
func (p *probeInput) unfit() {
	web := []string{
		"expected_status", "failure_status", "expected_body", "expected_body_regex", "body", "body_check_max_bytes", "json_path", "json_equals", "not_contains",
		"body_not_matches_regex", "min_response_size_bytes", "max_response_size_bytes", "fail_if_header_matches", "fail_if_header_not_matches",
		"max_last_modified_diff_secs", "valid_http_versions",
	}
	for _, key := range web {
		if p.has(key) && p.typ != "http" {
			p.wrong(key, "'%s' is not supported for test_type '%s'", key, p.typ)
		}
	}
	for _, key := range []string{"transport", "port"} {
		if p.has(key) && p.typ != "dns" {
			p.wrong(key, "'%s' is not supported for test_type '%s'", key, p.typ)
		}
	}
	isWeb := p.typ == "http" || p.typ == "doh"
	if p.has("proxy") && !isWeb {
		p.wrong("proxy", "'proxy' is only supported for test_type 'http' or 'doh'")
	}
	if p.has("tls") && !isWeb && !(p.typ == "dns" && p.cfg.Query.Transport == probe.TLS) {
		p.wrong("tls", "'tls' is only supported for test_type 'http' or 'doh'")
	}
}
