package export

import "strings"

// terms maps parts of metrics' names to plain words. It is searched for up to longestTerm words of
// a path, the longest first. Words without an entry are shown unchanged.
var terms = map[string]string{
	"asn":                     "AS",
	"asn ecs":                 "AS of client subnets (ECS)",
	"cardinality":             "distinct",
	"counters samples":        "counter samples",
	"deep sampled packets":    "sampled",
	"deep samples":            "sampled",
	"dns":                     "DNS",
	"dns lookup failures":     "DNS lookup failures",
	"dnssec ok":               "DNSSEC OK",
	"dscp":                    "DSCP",
	"dst":                     "destination",
	"dst ip ports":            "destination addresses and ports",
	"dst ips":                 "destination addresses",
	"dst port":                "destination ports",
	"ecn":                     "ECN",
	"ecs":                     "ECS",
	"edns":                    "EDNS",
	"edns udp size":           "UDP sizes offered by EDNS",
	"fin":                     "FIN",
	"geo loc":                 "places",
	"geoloc":                  "places",
	"geoloc ecs":              "places of client subnets (ECS)",
	"histogram us":            "time",
	"http":                    "HTTP",
	"icmp":                    "ICMP",
	"if drops":                "dropped by the interface",
	"ipv4":                    "IPv4",
	"ipv6":                    "IPv6",
	"names bytes":             "bytes of names",
	"names labels":            "labels of names",
	"nodata":                  "NODATA",
	"noerror":                 "NOERROR",
	"nsid":                    "NSID",
	"nxdomain":                "NXDOMAIN",
	"os drops":                "dropped by the system",
	"other l4":                "other transport",
	"packets timeout":         "timeouts",
	"protocol tcp":            "TCP",
	"qname":                   "names asked for",
	"qname by resp bytes":     "names by bytes of responses",
	"qname2":                  "names of two labels",
	"qname3":                  "names of three labels",
	"qtype":                   "types asked for",
	"quantiles":               "",
	"quantiles us":            "time",
	"query ecs":               "queries with a client subnet (ECS)",
	"rates":                   "per second",
	"rates bytes":             "bytes/s",
	"rates events":            "events per second",
	"rates pps":               "packets/s",
	"rates total":             "total per second",
	"rcode":                   "response codes",
	"records flows":           "flow records",
	"refused":                 "REFUSED",
	"request v6":              "request (DHCPv6)",
	"response histogram us":   "response time",
	"response quantiles us":   "response time",
	"routerefresh":            "route refresh",
	"rst":                     "RST",
	"sources ipv4":            "IPv4 sources",
	"sources ipv6":            "IPv6 sources",
	"sources ipv6 64":         "sources /64",
	"src":                     "source",
	"src ip ports":            "source addresses and ports",
	"src ips":                 "source addresses",
	"src port":                "source ports",
	"srvfail":                 "SERVFAIL",
	"syn":                     "SYN",
	"syn ack":                 "SYN ACK",
	"syn without ack":         "SYN without ACK",
	"tcp":                     "TCP",
	"tcp reassembly errors":   "TCP segments out of any stream",
	"top class":               "top classes",
	"top ede":                 "top extended errors",
	"top ipv4":                "top IPv4 addresses",
	"top ipv4 subnet":         "top IPv4 subnets",
	"top ipv6":                "top IPv6 addresses",
	"top ipv6 subnet":         "top IPv6 subnets",
	"top nodata":              "top names with NODATA",
	"top noerror":             "top names with NOERROR",
	"top nxdomain":            "top names with NXDOMAIN",
	"top opcode":              "top opcodes",
	"top protocol":            "top protocols",
	"top qname by resp":       "top names by response",
	"top clients queries":     "top clients by queries",
	"top clients reply bytes": "top clients by reply bytes",
	"top clients nxdomain":    "top clients by NXDOMAIN",
	"top clients failed":      "top clients by failed",
	"top clients unanswered":  "top clients by unanswered",
	"top client asns":         "top AS of clients by",
	"top client places":       "top places of clients by",
	"top client subnets":      "top subnets of clients by",
	"top timeouts":            "top names without an answer",
	"top query ecs":           "top client subnets (ECS)",
	"top refused":             "top names with REFUSED",
	"top slow":                "slowest names",
	"top srvfail":             "top names with SERVFAIL",
	"top ttl":                 "top times to live",
	"traffic rcodes":          "response codes with EDNS",
	"traffic tcp query bytes": "bytes of TCP queries",
	"traffic tcp reply bytes": "bytes of TCP replies",
	"traffic udp query bytes": "bytes of UDP queries",
	"traffic udp reply bytes": "bytes of UDP replies",
	"udp":                     "UDP",
	"unknown dir":             "unknown direction",
	"us":                      "",
	"wire packets":            "messages",
	"xact":                    "transactions",
	"xact counts":             "transactions",
	"xact in histogram us":    "time of transactions in",
	"xact in quantiles us":    "time of transactions in",
	"xact in top slow":        "slowest names of transactions in",
	"xact out histogram us":   "time of transactions out",
	"xact out quantiles us":   "time of transactions out",
	"xact out top slow":       "slowest names of transactions out",
	"xact ratio quantiles":    "bytes of response per byte of query",
	"xacts":                   "transactions",
}

// longestTerm is the number of words in the longest of terms.
const longestTerm = 5

// Words returns the name of a metric, or of a group of metrics, in plain words.
func Words(path ...string) string {
	tokens := strings.FieldsFunc(strings.ToLower(strings.Join(path, " ")), func(r rune) bool { return r == '_' || r == ' ' })
	var out []string
	for len(tokens) > 0 {
		n := min(longestTerm, len(tokens))
		for ; n > 1; n-- {
			if _, ok := terms[strings.Join(tokens[:n], " ")]; ok {
				break
			}
		}
		word := strings.Join(tokens[:n], " ")
		if term, ok := terms[word]; ok {
			word = term
		}
		if word != "" {
			out = append(out, word)
		}
		tokens = tokens[n:]
	}
	return strings.Join(out, " ")
}

// SubjectWords returns the subject of metrics: "device 192.0.2.1, interface 3". path alternates
// between the names of maps and their keys.
func SubjectWords(path []string) string {
	var out []string
	for i := 0; i+1 < len(path); i += 2 {
		out = append(out, strings.TrimSuffix(path[i], "s")+" "+Readable(path[i+1]))
	}
	if len(path)%2 == 1 {
		out = append(out, Readable(path[len(path)-1]))
	}
	return strings.Join(out, ", ")
}
