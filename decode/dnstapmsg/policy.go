package dnstapmsg

// Policy describes how an operator's policy, such as a response policy zone, changed a message.
// Slices borrow from the frame.
type Policy struct {
	Type   []byte // text: "RPZ"
	Rule   []byte // the rule that matched; for RPZ the owner name in wire form
	Value  []byte // the value that the rule matched; its form depends on Match
	Action Action
	Match  Match
}

// Action is the action of a policy.
type Action uint8

// The actions.
const (
	ActionNXDomain Action = iota + 1
	ActionNoData
	ActionPass
	ActionDrop
	ActionTruncate
	ActionLocalData
)

// String returns the name of a in dnstap.proto, or "".
func (a Action) String() string {
	names := [...]string{"", "NXDOMAIN", "NODATA", "PASS", "DROP", "TRUNCATE", "LOCAL_DATA"}
	if int(a) < len(names) {
		return names[a]
	}
	return ""
}

// Match is the part of an exchange that a rule matched.
type Match uint8

// The parts that rules match.
const (
	MatchQName Match = iota + 1
	MatchClientIP
	MatchResponseIP
	MatchNSName
	MatchNSIP
)

// ParsePolicy reads [Message].Policy. It leaves out fields of the wrong type. With [ErrTruncated]
// or [ErrMalformed] it also returns the fields before the damage.
func ParsePolicy(b []byte) (Policy, error) {
	var p Policy
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.number == 1 && f.wire == wireBytes:
			p.Type = f.bytes
		case f.number == 2 && f.wire == wireBytes:
			p.Rule = f.bytes
		case f.number == 3 && f.wire == wireVarint:
			p.Action = Action(min(f.value, 0xFF))
		case f.number == 4 && f.wire == wireVarint:
			p.Match = Match(min(f.value, 0xFF))
		case f.number == 5 && f.wire == wireBytes:
			p.Value = f.bytes
		}
	}
	return p, f.err
}

// AppendText appends p as text, "RPZ NXDOMAIN bad.example.rpz": type, action and rule, those that p
// has, in printable ASCII. Other bytes are written as \DDD. The text has at most about 1,300 bytes.
func (p *Policy) AppendText(dst []byte) []byte {
	const most = 64 // bytes of a type in the text
	start := len(dst)
	dst = appendEscaped(dst, p.Type[:min(len(p.Type), most)])
	if action := p.Action.String(); action != "" {
		dst = append(separate(dst, start), action...)
	}
	if len(p.Rule) > 0 {
		dst = appendRule(separate(dst, start), p.Rule)
	}
	return dst
}

// separate appends a space if text was appended since start.
func separate(dst []byte, start int) []byte {
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	return dst
}

// appendRule appends a name in wire form as its labels, each with a dot after it, and other bytes
// unchanged.
func appendRule(dst, rule []byte) []byte {
	const longest = 255 // maximum of a name, RFC 1035 section 2.3.4
	rule = rule[:min(len(rule), longest)]
	start, rest := len(dst), rule
	for len(rest) > 1 && int(rest[0]) < len(rest)-1 && rest[0] > 0 {
		dst = append(appendEscaped(dst, rest[1:1+rest[0]]), '.')
		rest = rest[1+rest[0]:]
	}
	switch {
	case len(rest) != 1 || rest[0] != 0:
		return appendEscaped(dst[:start], rule)
	case len(dst) > start:
		return dst[:len(dst)-1] // the last dot
	}
	return append(dst, '.') // the root
}

func appendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		if c < ' ' || c >= 0x7F {
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// AppendTo appends p as [ParsePolicy] reads it, and returns the extended slice.
func (p *Policy) AppendTo(dst []byte) []byte {
	dst = appendBytes(dst, 1, p.Type)
	dst = appendBytes(dst, 2, p.Rule)
	dst = appendUint(dst, 3, uint64(p.Action))
	dst = appendUint(dst, 4, uint64(p.Match))
	return appendBytes(dst, 5, p.Value)
}
