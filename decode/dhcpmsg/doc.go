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
// Messages borrow the bytes that they were parsed from; nothing allocates. Options end where their lengths run beyond what is there:
// those before are valid.
package dhcpmsg
