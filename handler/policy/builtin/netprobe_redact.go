package builtin

import (
	"maps"
	"slices"
	"strings"

	"visor/handler/policy"
)

// redact returns a configuration without possible secrets.
func redact(config policy.Options) policy.Options {
	out := maps.Clone(config)
	for _, key := range []string{"proxy", "body", "expected_body", "expected_body_regex", "not_contains", "json_equals", "body_not_matches_regex"} {
		if _, has := out[key]; has {
			out[key] = policy.Redacted
		}
	}
	for _, key := range []string{"fail_if_header_matches", "fail_if_header_not_matches"} {
		if rules, ok := out[key].(policy.Options); ok {
			out[key] = redactValues(rules)
		}
	}
	if targets, ok := out["targets"].(policy.Options); ok {
		shown := policy.Options{}
		for name, t := range targets {
			shown[name] = redactTarget(t)
		}
		out["targets"] = shown
	}
	return out
}

// redactTarget returns a target without the values of its headers, and without the user and
// password in its URL, which pktvisor shows.
func redactTarget(target any) any {
	t, ok := target.(policy.Options)
	if !ok {
		return target
	}
	t = maps.Clone(t)
	if host, ok := t["target"].(string); ok {
		t["target"] = redactURL(host)
	}
	if headers, ok := t["headers"].(policy.Options); ok {
		t["headers"] = redactValues(headers)
		t["header_names"] = slices.Sorted(maps.Keys(headers))
	}
	return t
}

func redactValues(o policy.Options) policy.Options {
	out := make(policy.Options, len(o))
	for key := range o {
		out[key] = policy.Redacted
	}
	return out
}

// redactURL replaces the user and password in a URL, even if it cannot be parsed.
func redactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	if ok {
		scheme += "://"
	}
	return scheme + policy.Redacted + rest[at:]
}
