// Package proxymsg reads headers of the PROXY protocol, versions 1 and 2, which a load balancer puts ahead of what a
// client sent (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt):
//
//	h, err := proxymsg.Parse(payload)
//	if err == nil {
//		client, message = h.Src, payload[h.Len:]
//	}
//
// Version 2 allocates nothing. Anybody can send such a header: believe its addresses only if it comes from a proxy of yours.
package proxymsg
