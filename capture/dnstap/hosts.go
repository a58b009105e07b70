package dnstap

import (
	"net/netip"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
)

// OnlyHosts returns a Source with the messages of src that have an address, of the client or of the
// server, in hosts. It takes ownership of src. pktvisor's filter only_hosts, which this is, lets
// nothing pass: it reads the bytes of addresses as text.
func OnlyHosts(src capture.Source, hosts decode.HostNets) capture.Source {
	var m dnstapmsg.Message
	return capture.Select(src, func(f *capture.Frame) (bool, error) {
		if dnstapmsg.Parse(f.Data, &m) != nil {
			return true, nil // the pipeline counts what it cannot decode
		}
		asked, answers := m.Ends()
		in := func(a netip.Addr) bool { return a.IsValid() && hosts.Contains(a) }
		return in(asked.Addr()) || in(answers.Addr()), nil
	})
}
