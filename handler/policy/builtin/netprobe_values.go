package builtin

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
	"visor/handler/options"
)

// The readers of values that pktvisor describes in a special way.

func text(v any) (any, error) { return fmt.Sprint(v), nil }

func statuses(key string) options.Reader {
	return func(v any) (any, error) {
		return options.Each(v, func(text string) (probe.Statuses, error) {
			s, ok, inRange := parseStatuses(text)
			switch {
			case !ok:
				return s, fmt.Errorf("netprobe: %s: invalid status entry '%s'", key, text)
			case !inRange:
				return s, fmt.Errorf("netprobe: %s: invalid status entry '%s' (codes must be 100-599, ranges low-high)", key, text)
			}
			return s, nil
		})
	}
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

// expression reads a pattern. Errors do not quote it, because it may be a secret.
func expression(key string) options.Reader {
	return func(v any) (any, error) {
		pattern, ok := v.(string)
		if !ok {
			return nil, options.ErrType
		}
		var none *regexp.Regexp
		if pattern == "" {
			return none, nil
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("netprobe: %s is not a valid ECMAScript regular expression", key)
		}
		return re, nil
	}
}

func headerRules(v any) (any, error) {
	return options.Entries(v, func(name string, value any) (string, *regexp.Regexp, error) {
		re, err := regexp.Compile(fmt.Sprint(value))
		if err != nil {
			err = fmt.Errorf("netprobe: header value_regex is not a valid ECMAScript regular expression (header '%s')", name)
		}
		return name, re, err
	})
}

func jsonPath(v any) (any, error) {
	path, ok := v.(string)
	if !ok {
		return nil, options.ErrType
	}
	pointer, ok := probe.ParsePointer(path)
	if !ok {
		return nil, fmt.Errorf("netprobe: json_path is not a valid JSON Pointer (RFC 6901): '%s'", path)
	}
	return &probe.JSONCheck{Pointer: pointer}, nil
}

// jsonValue accepts numbers and flags, because a text of digits is parsed as a number.
func jsonValue(v any) (any, error) {
	switch v.(type) {
	case string, uint64, bool:
		return new(fmt.Sprint(v)), nil
	}
	return nil, options.ErrType
}

func httpVersions(v any) (any, error) {
	return options.Each(v, func(text string) (string, error) {
		if !slices.Contains([]string{"1.0", "1.1", "2", "3"}, text) {
			return "", fmt.Errorf("netprobe: invalid valid_http_versions entry '%s' (use 1.0, 1.1, 2, or 3)", text)
		}
		return text, nil
	})
}

func queryType(v any) (any, error) {
	name, ok := v.(string)
	if !ok {
		return nil, options.ErrType
	}
	if name = strings.ToUpper(name); name == "" {
		return dnsmsg.Type(0), nil
	}
	typ, ok := dnsmsg.ParseType(name)
	if !ok {
		return nil, fmt.Errorf("netprobe: unknown qtype '%s'", name)
	}
	return typ, nil
}

func transport(v any) (any, error) {
	name, ok := v.(string)
	if !ok {
		return nil, options.ErrType
	}
	transports := map[string]probe.Transport{"": probe.UDP, "udp": probe.UDP, "tcp": probe.TCP, "dot": probe.TLS}
	t, ok := transports[name]
	if !ok {
		return nil, errors.New("netprobe: unknown transport '" + name + "' (use udp, tcp, or dot)")
	}
	return t, nil
}
