// Package proxymsg reads headers of the PROXY protocol, versions 1 and 2. A load balancer sends one
// ahead of the client's data (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt):
//
//	h, err := proxymsg.Parse(payload)
//	if err == nil {
//		client, message = h.Src, payload[h.Len:]
//	}
//
// Version 2 allocates nothing. Any sender can forge such a header: trust its addresses only if it
// comes from your proxy.
package proxymsg
