package builtin

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"visor/decode/dnsmsg"
	"visor/decode/dnstapmsg"
	"visor/handler/options"
)

// words returns the keys that pktvisor reads and describes in a special way.
func words() options.Dialect {
	return options.Dialect{
		Choices: map[string]string{
			"only_directions": "FlowStreamHandler: only_directions filter contained an invalid/unsupported direction: %s",
		},
		Readers: map[string]options.Reader{
			"only_rcode":                      rcodes,
			"answer_count":                    answerCount,
			"only_qtype":                      qtypes,
			"dnstap_msg_type":                 dnstapType,
			"only_clients":                    allowFrom,
			"only_asn_number":                 asns,
			"topn_percentile_threshold":       threshold,
			"device_map":                      deviceMap,
			"only_device_interfaces":          deviceInterfaces,
			"only_ips":                        networks,
			"only_ports":                      ports,
			"subnets_for_summarization":       subnets,
			"exclude_ips_from_summarization":  networks,
			"exclude_asns_from_summarization": systems,
		},
	}
}

const badRCode = "DnsStreamHandler: only_rcode filter contained an invalid/unsupported rcode"

func rcodes(v any) (any, error) {
	switch v := v.(type) {
	case uint64:
		code, ok := dnsmsg.ParseRCode(fmt.Sprint(v))
		if !ok {
			return nil, errors.New(badRCode)
		}
		return []dnsmsg.RCode{code}, nil
	case []string:
		return options.Each(v, named(dnsmsg.ParseRCode, badRCode))
	}
	return nil, errors.New("DnsStreamHandler: wrong value type for only_rcode filter. It should be an integer or an array")
}

func qtypes(v any) (any, error) {
	return options.Each(v, named(dnsmsg.ParseType, "DnsStreamHandler: only_qtype filter contained an invalid/unsupported qtype"))
}

// named turns a parser of names into one with an error.
func named[T any](parse func(string) (T, bool), complaint string) func(string) (T, error) {
	return func(text string) (T, error) {
		t, ok := parse(text)
		if !ok {
			return t, fmt.Errorf("%s: %s", complaint, text)
		}
		return t, nil
	}
}

func answerCount(v any) (any, error) {
	n, ok := v.(uint64)
	if !ok || n > math.MaxUint16 {
		return nil, errors.New("DnsStreamHandler: wrong value type for answer_count filter. It should be an integer")
	}
	return new(uint16(n)), nil
}

func dnstapType(v any) (any, error) {
	name, ok := v.(string)
	if !ok {
		return nil, options.ErrType
	}
	if name == "" {
		return dnstapmsg.Type(0), nil
	}
	var valid []string
	for t := dnstapmsg.AuthQuery; t <= dnstapmsg.UpdateQuery; t += 2 {
		if t.String() == name {
			return t, nil
		}
		valid = append(valid, t.String())
	}
	slices.Sort(valid)
	return nil, fmt.Errorf("DnsStreamHandler: dnstap_msg_type contained an invalid/unsupported type. Valid types: %s", strings.Join(valid, ", "))
}

func asns(v any) (any, error) {
	return options.Each(v, func(text string) (string, error) {
		if text == "" || strings.Trim(text, "0123456789") != "" {
			return "", fmt.Errorf("NetStreamHandler: only_asn_number filter contained an invalid/unsupported value: %s", text)
		}
		return text, nil
	})
}

func threshold(v any) (any, error) {
	n, ok := v.(uint64)
	switch {
	case !ok:
		return nil, options.ErrType
	case n > 100:
		return nil, fmt.Errorf("threshold must be between 0 and 100 but has value %f", float64(n)/100)
	}
	return int(n), nil
}
