// Package dhcpmsg reads messages of DHCP for IPv4 (RFC 2131) and for IPv6 (RFC 8415) in place.
//
//	m, err := dhcpmsg.ParseV4(payload)
//	if err != nil {
//		return err
//	}
//	if name, ok := m.Option(dhcpmsg.OptionHostName); ok && m.Type() == dhcpmsg.Request {
//		use(m.XID(), name)
//	}
//
// Messages borrow the parsed bytes; nothing allocates. Options end where a length exceeds the bytes
// present; the options before remain valid.
package dhcpmsg
