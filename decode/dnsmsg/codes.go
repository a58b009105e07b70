package dnsmsg

import (
	"cmp"
	"strconv"
)

// ExtendedError is the info code of an extended error (RFC 8914 section 4,
// https://www.iana.org/assignments/dns-parameters).
type ExtendedError uint16

var extendedErrorTable = [...]string{
	"Other", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer", "Forged Answer",
	"DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired", "Signature Not Yet Valid", "DNSKEY Missing",
	"RRSIGs Missing", "No Zone Key Bit Set", "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored",
	"Filtered", "Prohibited", "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported",
	"No Reachable Authority", "Network Error", "Invalid Data", "Signature Expired before Valid", "Too Early",
	"Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized", "Invalid Query Type",
}

// String returns the registered purpose of e, or its number if it has none.
func (e ExtendedError) String() string { return named(extendedErrorTable[:], e) }

// Registered reports whether e has a registered purpose.
func (e ExtendedError) Registered() bool { return int(e) < len(extendedErrorTable) }

// Compare orders extended errors by number.
func (e ExtendedError) Compare(f ExtendedError) int { return cmp.Compare(e, f) }

// Opcode is a kind of query (https://www.iana.org/assignments/dns-parameters). A header holds four
// bits, see [Message.Opcode].
type Opcode uint16

var opcodeTable = [...]string{"QUERY", "IQUERY", "STATUS", "", "NOTIFY", "UPDATE", "DSO"}

// String returns the mnemonic of o, or its number if it has none.
func (o Opcode) String() string { return named(opcodeTable[:], o) }

// Class is the class of a question or record (https://www.iana.org/assignments/dns-parameters).
type Class uint16

// ClassIN is the class of the Internet.
const ClassIN Class = 1

var classTable = [...]string{"", "IN", "", "CH", "HS", 254: "NONE", 255: "ANY"}

// String returns the mnemonic of c, or its number if it has none.
func (c Class) String() string { return named(classTable[:], c) }

// named returns the name of v in table, or its number.
func named[T ~uint16](table []string, v T) string {
	if int(v) < len(table) && table[v] != "" {
		return table[v]
	}
	return strconv.Itoa(int(v))
}
