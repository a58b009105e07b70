package findings

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"visor/decode/dnsmsg"
)

// allowed holds the exceptions.
type allowed struct {
	names    map[string]bool
	suffixes []string // with a leading dot
	clients  []netip.Prefix
}

// usualSuffixes are domains below which many distinct names are ordinary: reverse zones, lists of
// bad addresses, and services that put data or identifiers into names.
var usualSuffixes = []string{
	"in-addr.arpa", "ip6.arpa", "e164.arpa",
	"spamhaus.org", "spamhaus.net", "spamcop.net", "sorbs.net", "barracudacentral.org", "surbl.org", "uribl.com", "uceprotect.net",
	"dnswl.org", "abuseat.org", "manitu.net", "psbl.surriel.com", "mailspike.net", "mailspike.org", "senderscore.com", "rspamd.com",
	"sophosxl.net", "mcafee.com", "avqs.mcafee.com", "trendmicro.com", "cymru.com", "e5.sk", "avast.com", "avcdn.net", "kaspersky.com", "bitdefender.net",
	"akamai.net", "akamaiedge.net", "akadns.net", "edgekey.net", "edgesuite.net", "akamaihd.net", "akamaized.net",
	"cloudfront.net", "amazonaws.com", "fastly.net", "cdn77.org", "azureedge.net", "trafficmanager.net", "windows.net", "azure.com",
	"cloudflare.net", "googleusercontent.com", "googlevideo.com", "gvt1.com", "gvt2.com", "1e100.net", "2mdn.net", "nflxvideo.net", "fbcdn.net",
	"metric.gstatic.com", "msedge.net", "office.com", "office.net", "sharepoint.com", "apple-dns.net", "aaplimg.com", "icloud.com",
	"demdex.net", "omtrdc.net", "2o7.net", "app-measurement.com", "adobedc.net", "scorecardresearch.com", "doubleclick.net",
	"plex.direct", "ui.direct", "myfritz.net", "dyndns.org", "duckdns.org", "ts.net", "local", "dns-sd._udp.local",
}

// checkName returns an error for what is not the name of a domain.
func checkName(name string) error {
	for label := range strings.SplitSeq(plain(name), ".") {
		if label == "" || strings.Contains(label, "*") {
			return fmt.Errorf("%q is not a domain; allow_suffixes has the names below a domain, without *", name)
		}
	}
	if _, err := dnsmsg.ParseName(plain(name)); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// domain returns the name of an exception as lists show it.
func domain(text string) string {
	name, err := dnsmsg.ParseName(plain(text))
	if err != nil {
		return plain(text) // Check reports it
	}
	return name.String()
}

// network returns a network, or an address as one.
func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		err = fmt.Errorf("%q is neither an address nor a network", text)
	}
	return p.Masked(), err
}

func newAllowed(cfg *Config) (a allowed) {
	a.names = make(map[string]bool)
	for _, n := range cfg.AllowNames {
		a.names[domain(n)] = true
	}
	for _, s := range slices.Concat(usualSuffixes, cfg.AllowSuffixes) {
		a.suffixes = append(a.suffixes, "."+domain(s))
	}
	for _, c := range cfg.AllowClients {
		if p, err := network(c); err == nil {
			a.clients = append(a.clients, p)
		}
	}
	return a
}

// plain returns a name in lower case without dots at its ends.
func plain(name string) string { return strings.Trim(strings.ToLower(name), ".") }

// name reports whether findings about names below a domain are left out.
func (a *allowed) name(domain string) bool {
	domain = plain(domain)
	return a.names[domain] || slices.ContainsFunc(a.suffixes, func(s string) bool { return strings.HasSuffix("."+domain, s) })
}

// ownName reports whether the configuration has an exception for a domain.
func (a *allowed) ownName(domain string) bool {
	return a.names[domain] || slices.Contains(a.suffixes[len(usualSuffixes):], "."+domain)
}

// client reports whether findings about an address, or all addresses of a network, are left out.
func (a *allowed) client(text string) bool {
	n, err := network(text)
	return err == nil && slices.ContainsFunc(a.clients, func(p netip.Prefix) bool { return p.Bits() <= n.Bits() && p.Contains(n.Addr()) })
}
