package handlertest_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode"
	"visor/handler"
	"visor/handler/handlertest"
	"visor/handler/metric"
)

// faultVariable names the fault of the handler in a process of TestFaulty.
const faultVariable = "HANDLERTEST_FAULT"

// TestFaulty runs the suite on handlers with a fault, each in another process, and on one without
// a fault. The suite must name the fault.
func TestFaulty(t *testing.T) {
	if fault, ok := os.LookupEnv(faultVariable); ok {
		handlertest.Run(t, func(s handler.Settings) (handler.Handler, error) { return newSenders(fault, s) })
		return
	}
	for fault, text := range map[string]string{
		"none":                  "",
		"no help":               "the metric nohelp_top_senders has no tag help",
		"no outcome":            "events that are in none of Events.Deep, Filtered and Undecodable",
		"no second":             "does Process call Enter for each event?",
		"forwards in secret":    "Spec.Forwards",
		"forwards twice":        "events in Base.Forward, and events that passed",
		"shows whole addresses": "shows an address that Settings.Anonymize hides",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$", "-test.short")
			cmd.Env = append(os.Environ(), faultVariable+"="+fault)
			out, err := cmd.CombinedOutput()
			if text == "" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), text)
		})
	}
}

type counts struct {
	handler.EventCounts `with:"what=IPv4 packets events=events deep=deep rate=events filtered=filtered group="`
	Senders             metric.Top[metric.IPv4] `metric:"top_senders" label:"sender" help:"senders of IPv4 packets"`
}

type countsWithoutHelp struct {
	Senders metric.Top[metric.IPv4] `metric:"top_senders" label:"sender"`
}

// newSenders returns an analyzer of the senders of IPv4 packets, with a fault.
func newSenders(fault string, s handler.Settings) (handler.Handler, error) {
	if fault == "no help" {
		d, err := handler.Declare[countsWithoutHelp](handler.Spec{Type: "nohelp"}, s)
		return &withoutHelp{d}, err
	}
	d, err := handler.Declare[counts](handler.Spec{Type: "senders", Forwards: fault != "forwards in secret"}, s)
	return &senders{d, fault}, err
}

type withoutHelp struct {
	handler.Declared[countsWithoutHelp]
}

func (h *withoutHelp) NewShard() handler.Shard { return nil }

type senders struct {
	handler.Declared[counts]
	fault string
}

func (h *senders) NewShard() handler.Shard { return &sendersShard{h.NewBase(), h.fault} }

type sendersShard struct {
	handler.Base[counts]
	fault string
}

func (s *sendersShard) Process(b *handler.Batch) {
	for i := range b.Packets {
		p := &b.Packets[i]
		if !p.Layers.Has(decode.LayerIP) || !p.Src.Addr().Is4() {
			continue
		}
		if s.fault != "no second" {
			s.Enter(p.TimeNS)
		}
		s.Events.Offered++
		if s.fault != "no outcome" {
			s.Events.Deep++
		}
		addr := p.Src.Addr()
		if s.fault != "shows whole addresses" {
			addr = s.Shown.Addr(addr)
		}
		s.Live.Senders.Add(s.Hash.IPv4(addr.As4()), addr.As4(), 1)
		if s.Forward != nil {
			s.Forward.Packets = append(s.Forward.Packets, *p)
			if s.fault == "forwards twice" {
				s.Forward.Packets = append(s.Forward.Packets, *p)
			}
		}
	}
}
