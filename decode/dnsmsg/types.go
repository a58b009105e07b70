package dnsmsg

import (
	"cmp"
	"strconv"
	"strings"
)

// Type is the type of a record or question (https://www.iana.org/assignments/dns-parameters).
type Type uint16

// Common types.
const (
	TypeA     Type = 1
	TypeNS    Type = 2
	TypeCNAME Type = 5
	TypeSOA   Type = 6
	TypePTR   Type = 12
	TypeMX    Type = 15
	TypeTXT   Type = 16
	TypeAAAA  Type = 28
	TypeSRV   Type = 33
	TypeDNAME Type = 39
	TypeOPT   Type = 41
	TypeRRSIG Type = 46
	TypeHTTPS Type = 65
)

// typeTable holds pktvisor's names. The names of 0, 255 and 65535 exist only in pktvisor.
var typeTable = map[Type]string{
	0: "Reserved (0)", 1: "A", 2: "NS", 3: "MD", 4: "MF", 5: "CNAME", 6: "SOA", 7: "MB", 8: "MG", 9: "MR",
	10: "NULL", 11: "WKS", 12: "PTR", 13: "HINFO", 14: "MINFO", 15: "MX", 16: "TXT", 17: "RP", 18: "AFSDB",
	19: "X25", 20: "ISDN", 21: "RT", 22: "NSAP", 23: "NSAP-PTR", 24: "SIG", 25: "KEY", 26: "PX", 27: "GPOS",
	28: "AAAA", 29: "LOC", 30: "NXT", 31: "EID", 32: "NIMLOC", 33: "SRV", 34: "ATMA", 35: "NAPTR", 36: "KX",
	37: "CERT", 38: "A6", 39: "DNAME", 40: "SINK", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY",
	46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA",
	55: "HIP", 56: "NINFO", 57: "RKEY", 58: "TALINK", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC",
	63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 100: "UINFO", 101: "UID", 102: "GID", 103: "UNSPEC",
	104: "NID", 105: "L32", 106: "L64", 107: "LP", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG",
	251: "IXFR", 252: "AXFR", 253: "MAILB", 254: "MAILA", 255: "*", 256: "URI", 257: "CAA", 258: "AVC",
	259: "DOA", 260: "AMTRELAY", 32768: "TA", 32769: "DLV", 65535: "Reserved (65535)",
}

// String returns the mnemonic of t, or its number if it has none. The names match pktvisor's.
func (t Type) String() string {
	if name := typeTable[t]; name != "" {
		return name
	}
	return strconv.Itoa(int(t))
}

// Known reports whether t has a mnemonic.
func (t Type) Known() bool { return typeTable[t] != "" }

// Compare orders types by number.
func (t Type) Compare(u Type) int { return cmp.Compare(t, u) }

// ParseType returns the type with that mnemonic, in any case, or that number. A number must be one
// that has a mnemonic.
func ParseType(s string) (Type, bool) { return parse(s, typeTable) }

// RCode is a response code (https://www.iana.org/assignments/dns-parameters).
type RCode uint16

// The response codes of RFC 1035.
const (
	RCodeNoError  RCode = 0
	RCodeFormErr  RCode = 1
	RCodeServFail RCode = 2
	RCodeNXDomain RCode = 3
	RCodeNotImp   RCode = 4
	RCodeRefused  RCode = 5
)

var rcodeTable = map[RCode]string{
	0: "NOERROR", 1: "FORMERR", 2: "SRVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET",
	8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI", 16: "BADVERS", 17: "BADKEY", 18: "BADTIME",
	19: "BADMODE", 20: "BADNAME", 21: "BADALG", 22: "BADTRUNC", 23: "BADCOOKIE",
}

// String returns the mnemonic of r, or its number if it has none. The names match pktvisor's, which
// writes SRVFAIL where the RFCs write SERVFAIL.
func (r RCode) String() string {
	if name := rcodeTable[r]; name != "" {
		return name
	}
	return strconv.Itoa(int(r))
}

// Known reports whether r has a mnemonic.
func (r RCode) Known() bool { return rcodeTable[r] != "" }

// Compare orders codes by number.
func (r RCode) Compare(s RCode) int { return cmp.Compare(r, s) }

// ParseRCode returns the code with that mnemonic, in any case, or that number. SERVFAIL and BADSIG
// are accepted as well. A number must be one that has a mnemonic.
func ParseRCode(s string) (RCode, bool) {
	switch strings.ToUpper(s) {
	case "SERVFAIL":
		return RCodeServFail, true
	case "BADSIG": // shares its number with BADVERS (RFC 6895 section 2.3)
		return 16, true
	}
	return parse(s, rcodeTable)
}

// parse finds s among the names or numbers of table.
func parse[T ~uint16](s string, table map[T]string) (T, bool) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return T(n), table[T(n)] != ""
	}
	for v, name := range table {
		if strings.EqualFold(name, s) {
			return v, true
		}
	}
	return 0, false
}
