package dnstap

import (
	"net/netip"

	"visor/capture"
	"visor/decode"
	"visor/decode/dnstapmsg"
)

// OnlyHosts returns a Source that yields the messages of src whose client or server address is in
// hosts. It takes ownership of src. It implements pktvisor's filter only_hosts. In pktvisor that
// filter rejects everything, because it parses the bytes of addresses as text.
func OnlyHosts(src capture.Source, hosts decode.NetSet) capture.Source {
	var m dnstapmsg.Message
	return capture.Filter(src, func(f *capture.Frame) (bool, error) {
		if dnstapmsg.Parse(f.Data, &m) != nil {
			return true, nil // the pipeline counts frames that it cannot decode
		}
		asked, answers := m.Ends()
		in := func(a netip.Addr) bool { return a.IsValid() && hosts.Contains(a) }
		return in(asked.Addr()) || in(answers.Addr()), nil
	})
}
