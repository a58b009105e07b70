package handler

import (
	"errors"
	"fmt"
	"net/netip"

	"visor/capture"
	"visor/decode"
	"visor/decode/netflow"
	"visor/decode/sflow"
)

// unread counts the data of flow exporters that could not be read, by cause and device.
type unread map[unreadKey]unreadCount

// unreadCount is a number of datagrams or data sets.
type unreadCount struct {
	all  int64 // without data sets that were read later
	lost int64 // of all: they will not be read
}

// unreadKey is the reason why a device's data was not read.
type unreadKey struct {
	device netip.Addr // invalid for all devices beyond maxUnread
	cause  unreadCause
}

type unreadCause uint8

const (
	noTemplate unreadCause = iota
	malformedExport
	unknownNetFlow
	unknownSFlow
	unknownAgent
)

// maxUnread bounds the number of separately counted pairs of cause and device.
const maxUnread = 64

// note counts the unread parts of a datagram.
func (u *unread) note(e *decode.FlowDatagram) {
	if e.Err == nil && e.HeldSets|e.FoundSets|e.LostSets == 0 {
		return
	}
	u.add(e.Device, noTemplate, unreadCount{int64(e.HeldSets) - int64(e.FoundSets), int64(e.LostSets)})
	switch {
	case e.Err == nil:
	case errors.Is(e.Err, netflow.ErrVersion):
		u.add(e.Device, unknownNetFlow, unreadCount{1, 1})
	case errors.Is(e.Err, sflow.ErrVersion):
		u.add(e.Device, unknownSFlow, unreadCount{1, 1})
	case errors.Is(e.Err, sflow.ErrAgent):
		u.add(e.Device, unknownAgent, unreadCount{1, 1})
	default:
		u.add(e.Device, malformedExport, unreadCount{1, 1})
	}
}

func (u *unread) add(device netip.Addr, cause unreadCause, n unreadCount) {
	if n == (unreadCount{}) {
		return
	}
	key := unreadKey{device, cause}
	if _, known := (*u)[key]; !known && len(*u) >= maxUnread {
		key.device = netip.Addr{}
	}
	if *u == nil {
		*u = make(unread)
	}
	sum := (*u)[key]
	sum.all, sum.lost = sum.all+n.all, sum.lost+n.lost
	if (*u)[key] = sum; sum == (unreadCount{}) {
		delete(*u, key)
	}
}

// end counts the data sets that wait for their template as lost, at the end of the input.
func (u unread) end() {
	for key, n := range u {
		n.lost = max(n.lost, n.all)
		u[key] = n
	}
}

// appendReasons appends the reasons for unread data, and the forgotten state of exporters.
func (r *exportReader) appendReasons(dst []capture.Reason) []capture.Reason {
	if n := r.netflow.Stats().Evicted + r.sflow.Stats().Evicted; n > 0 {
		dst = append(dst, capture.Reason{Text: "flow exporters and templates forgotten for want of room", Count: n})
	}
	return r.unread.appendReasons(dst)
}

// appendReasons appends the data still unread. A data set is read when its template arrives.
func (u unread) appendReasons(dst []capture.Reason) []capture.Reason {
	for key, n := range u {
		if all := max(n.all, n.lost); all > 0 {
			dst = append(dst, capture.Reason{Text: key.String(), Count: uint64(all), Waiting: uint64(all - n.lost)})
		}
	}
	return dst
}

func (k unreadKey) String() string {
	from := "other devices"
	if k.device.IsValid() {
		from = k.device.String()
	}
	switch k.cause {
	case noTemplate:
		return fmt.Sprintf("no template yet from %s, data sets", from)
	case malformedExport:
		return fmt.Sprintf("malformed flow datagrams from %s", from)
	case unknownNetFlow:
		return fmt.Sprintf("flow datagrams of an unknown version from %s", from)
	case unknownSFlow:
		return fmt.Sprintf("sFlow datagrams of an unknown version from %s", from)
	}
	return fmt.Sprintf("sFlow agent with address type 0, not decoded, datagrams from %s", from)
}
