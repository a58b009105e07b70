package asks

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"visor/decode"
	"visor/decode/dnsmsg"
)

// Question is a question about DNS traffic: which clients ask for a name, or what clients ask for.
// A message must match all fields that are not empty. At least one must be set.
type Question struct {
	QName  string // a name, *.example.com for a name and all names below it, or * for any name
	Client string // an address or a network
	ASN    string // the number of the clients' autonomous system, as 64500 or AS64500
}

// suffix returns the name below which all names match, or a single name.
func (q Question) suffix() (name string, below bool) {
	if q.QName == "*" {
		return "", true
	}
	return strings.CutPrefix(q.QName, "*.")
}

// Config returns the filters for q, or an error listing all its problems.
func (q Question) Config() (cfg Config, err error) {
	if q == (Question{}) {
		return cfg, errors.New("one of qname, client and asn is required")
	}
	suffix, below := q.suffix()
	if below {
		cfg.OnlySuffixes = []string{suffix}
	} else if q.QName != "" {
		cfg.OnlyQNames = []string{q.QName}
	}
	// a name that no message can have would get the answer that no client asked for it
	if _, bad := dnsmsg.ParseName(suffix); bad != nil {
		err = fmt.Errorf("qname %.300q: %w; write example.com, or *.example.com for names below it too", q.QName, bad)
	}
	if q.Client != "" {
		net, bad := parseClient(q.Client)
		cfg.OnlyClients, err = decode.NewNetSet(net), errors.Join(err, bad)
	}
	if q.ASN != "" {
		number := strings.TrimPrefix(strings.ToUpper(q.ASN), "AS")
		cfg.OnlyASNs = []string{number}
		if _, bad := strconv.ParseUint(number, 10, 32); bad != nil {
			err = errors.Join(err, fmt.Errorf("asn %q: must be the number of an autonomous system, as 64500", q.ASN))
		}
	}
	return cfg, err
}

func parseClient(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.WithZone("").Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	net, err := netip.ParsePrefix(text)
	if err != nil {
		return net, fmt.Errorf("client %q: must be an address or a network, as 192.0.2.1 or 2001:db8::/32", text)
	}
	return net.Masked(), nil
}

// ask returns what the clients of q did.
func (q Question) ask() string {
	switch suffix, below := q.suffix(); {
	case q.QName == "":
		return "asked"
	case q.QName == ".":
		return "asked for the root"
	case suffix == "":
		return "asked for any name"
	case below:
		return "asked for " + suffix + " and names below it"
	}
	return "asked for " + q.QName
}

// clients returns the words for a number of clients in q.
func (q Question) clients(n uint64) string {
	var out string
	switch {
	case n == 0:
		out = "no client"
	case n == 1:
		out = "one client"
	default:
		out = fmt.Sprint(n, " clients")
	}
	switch _, err := netip.ParseAddr(q.Client); {
	case q.Client == "":
	case err == nil:
		out += " at " + q.Client
	default:
		out += " in " + q.Client
	}
	if q.ASN != "" {
		out += " in AS" + strings.TrimPrefix(strings.ToUpper(q.ASN), "AS")
	}
	return out
}
