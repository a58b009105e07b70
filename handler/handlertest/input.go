package handlertest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/handler"
	"visor/handler/anonymize"
	"visor/handler/metric"
	"visor/internal/trafficgen"
	"visor/sketch"
)

// testBatches passes frames one by one. The answers must equal the answers for full batches: each
// event counts in its own second, see [handler.Base.Enter].
func testBatches(t *testing.T, make New, frames []capture.Frame) {
	frames = slices.Clone(frames)
	for i := range frames { // ten a second: a batch has frames of many seconds
		frames[i].TimeNS = frames[0].TimeNS + int64(i)*int64(time.Second/10)
	}
	s := handler.Settings{Periods: 2, Enable: []string{"everything"}}
	want := pipeline(t, make, s, capture.NewMemory(frames))
	got := pipeline(t, make, s, &single{frames: capture.NewMemory(frames)})
	require.Equal(t, values(t, want, 0), values(t, got, 0), "batches of one frame differ; does Process call Enter for each event?")
}

// single is a source of batches with one frame.
type single struct {
	frames *capture.Memory
	batch  capture.Batch
	next   int
}

func (s *single) ReadBatch(b *capture.Batch) error {
	b.Reset()
	if s.next == len(s.batch.Frames) {
		s.next = 0
		if err := s.frames.ReadBatch(&s.batch); err != nil {
			return err
		}
	}
	b.Frames = append(b.Frames, s.batch.Frames[s.next])
	s.next++
	return nil
}

func (s *single) Close() error { return s.frames.Close() }

// testSequence puts another handler behind the one under test. If it passes any event on, it passes
// each on once, and Spec.Forwards is set.
func testSequence(t *testing.T, make New, frames []capture.Frame) {
	first, err := make(allTime(handler.Settings{Name: "first"}))
	require.NoError(t, err)
	second, err := newWitness()
	require.NoError(t, err)
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	p, err := handler.NewPipeline(handler.Config{
		Sources: []capture.Source{capture.NewMemory(frames)}, Handlers: []handler.Handler{first, second}, Sequence: true, Hosts: own,
	})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	a := p.HandlerAccounts()["first"]
	seen := p.HandlerAccounts()["witness"].Offered
	require.LessOrEqual(t, seen, a.Analysed+a.NotSampled, "events in Base.Forward, and events that passed")
	require.Equal(t, first.Info().Forwards, seen > 0, "Spec.Forwards, and whether one of %d events passed", a.Analysed+a.NotSampled)
}

// witness is a handler that counts packets.
type witness struct{ handler.Declared[witnessed] }

type witnessed struct {
	Packets sketch.Counter `metric:"packets" help:"packets"`
}

func newWitness() (*witness, error) {
	d, err := handler.Declare[witnessed](handler.Spec{Type: "witness"}, handler.Settings{Periods: 1})
	return &witness{d}, err
}

func (w *witness) NewShard() handler.Shard { return &witnessShard{w.NewBase()} }

type witnessShard struct{ handler.Base[witnessed] }

func (s *witnessShard) Process(b *handler.Batch) {
	n := uint64(len(b.Packets))
	s.Events.Offered += n
	s.Events.Deep += n
	s.Live.Packets.Add(n)
}

// testAddresses cuts addresses. No list may show a whole one, see [handler.Base].Shown.
func testAddresses(t *testing.T, make New, frames []capture.Frame) {
	method, err := anonymize.New(anonymize.Config{IPv4: 8, IPv6: 16})
	require.NoError(t, err)
	all, _ := answers(t, make, handler.Settings{Anonymize: method, TopN: 1000}, capture.NewMemory(frames))
	cache := method.NewCache()
	for _, v := range all {
		if v.Kind != metric.KindTop {
			continue
		}
		for _, item := range v.Items {
			if addr := addrOf(item.Name); addr.IsValid() {
				require.Equal(t, cache.Addr(addr).String(), addr.String(), "%v shows an address that Settings.Anonymize hides", v.Path)
			}
		}
	}
}

// addrOf returns the address in an entry of a list, alone or with a port or a length behind it, or
// an invalid one.
func addrOf(name string) netip.Addr {
	if p, err := netip.ParseAddrPort(name); err == nil {
		return p.Addr()
	}
	text, _, _ := strings.Cut(name, "/")
	addr, _ := netip.ParseAddr(text)
	return addr
}
