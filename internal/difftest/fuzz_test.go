package difftest_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/export"
	"visor/export/prom"
	"visor/handler"
	"visor/internal/trafficgen"
)

// FuzzVersions checks that accounts add up, and that both versions of an analyzer count the same
// events.
func FuzzVersions(f *testing.F) {
	if testing.Short() {
		f.Skip("skipped: -short leaves out differential tests")
	}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		in := mutate(frames(file), seed)
		if len(in) == 0 {
			return
		}
		p := count(t, capture.NewMemory(in))
		requireSum(t, p.Account(), "pipeline")
		require.EqualValues(t, len(in), p.Account().Offered)
		for name, a := range p.HandlerAccounts() {
			requireSum(t, a, name)
		}
		all := answers(t, p)
		dns, net := all["dns"], all["net"]
		require.Equal(t, number(t, dns, "wire_packets.events"), number(t, all["dns2"], "observed_packets"))
		require.Equal(t, number(t, net, "events"), number(t, all["net2"], "observed_packets"))
		messages := number(t, dns, "wire_packets.total")
		require.Equal(t, messages, number(t, dns, "wire_packets.queries")+number(t, dns, "wire_packets.replies"))
		require.GreaterOrEqual(t, messages, number(t, dns, "wire_packets.udp")+number(t, dns, "wire_packets.tcp"))
		packets := number(t, net, "total")
		require.Equal(t, packets, number(t, net, "udp")+number(t, net, "tcp")+number(t, net, "other_l4"))
		require.Equal(t, packets, number(t, net, "in")+number(t, net, "out")+number(t, net, "unknown_dir"))
	})
}

func requireSum(t *testing.T, a handler.Account, what string) {
	t.Helper()
	require.Equal(t, a.Offered, a.Analysed+a.Filtered+a.NotSampled+a.Undecodable+a.Dropped, what)
}

// FuzzWorkers compares the answers of four workers with the answers of one.
func FuzzWorkers(f *testing.F) {
	if testing.Short() {
		f.Skip("skipped: -short leaves out differential tests")
	}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		in := mutate(frames(file), seed)
		if len(in) == 0 {
			return
		}
		sameWithWorkers(t, in)
	})
}

// sameWithWorkers compares the answers of four workers with the answers of one.
func sameWithWorkers(t *testing.T, in []capture.Frame) {
	t.Helper()
	want := answers(t, count(t, capture.NewMemory(slices.Clone(in))))
	got := answers(t, countBy(t, 4, capture.NewMemory(slices.Clone(in))))
	for name := range want {
		requireSame(t, want[name], got[name], name+", 4 workers")
	}
}

// Streams age by their own segments, and when a period begins: with wrong times, too, four workers
// find the messages that one finds.
func TestWrongTimes(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		var file bytes.Buffer
		_, err := trafficgen.WritePcap(&file, trafficgen.Config{Packets: most, Mix: trafficgen.Mix{DNSTCP: 100}, Seed: seed})
		require.NoError(t, err)
		in := frames(file.Bytes())
		rnd := rand.New(rand.NewPCG(seed, 2))
		for range 40 {
			i := rnd.IntN(len(in))
			if rnd.IntN(2) == 0 {
				in[i].TimeNS += rnd.Int64N(int64(100*time.Minute)) - int64(50*time.Minute)
			} else if i > 0 {
				in[i], in[i-1] = in[i-1], in[i]
			}
		}
		sameWithWorkers(t, in)
	}
}

// FuzzMerge merges three parts of the traffic in every order and with every bracketing.
func FuzzMerge(f *testing.F) {
	if testing.Short() {
		f.Skip("skipped: -short leaves out differential tests")
	}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		in := mutate(frames(file), seed)
		if len(in) < 3 {
			return
		}
		var parts [3]*handler.Snapshot
		for i := range parts {
			snap, err := count(t, capture.NewMemory(in[i*len(in)/3:(i+1)*len(in)/3])).Bucket(0)
			require.NoError(t, err)
			parts[i] = snap
		}
		join := func(modules ...*handler.Module) *handler.Module {
			sum, err := handler.Join("sum", modules...)
			require.NoError(t, err)
			return &sum
		}
		for i := range parts[0].Modules {
			a, b, c := &parts[0].Modules[i], &parts[1].Modules[i], &parts[2].Modules[i]
			want := sorted(join(a, b, c).Values())
			for order, got := range map[string]*handler.Module{
				"c b a": join(c, b, a), "(a b) c": join(join(a, b), c), "a (b c)": join(a, join(b, c)), "b (c a)": join(b, join(c, a)),
			} {
				requireSame(t, want, sorted(got.Values()), a.Name+" "+order)
			}
		}
	})
}

// FuzzOutputs checks the syntax of every format: JSON in UTF-8, an exposition that Prometheus
// reads, and text without terminal control characters.
func FuzzOutputs(f *testing.F) {
	if testing.Short() {
		f.Skip("skipped: -short leaves out differential tests")
	}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte, seed uint64) {
		in := mutate(frames(file), seed)
		if len(in) == 0 {
			return
		}
		snap, err := count(t, capture.NewMemory(in)).Bucket(0)
		require.NoError(t, err)
		var js, text, exposition bytes.Buffer
		require.NoError(t, export.WritePoliciesJSON(&js, map[string]*handler.Snapshot{"p": snap}))
		require.True(t, utf8.Valid(js.Bytes()) && json.Valid(js.Bytes()), "JSON")
		require.NoError(t, export.WriteText(&text, snap, export.TextConfig{Width: 100}))
		require.True(t, utf8.Valid(text.Bytes()), "text")
		for _, r := range text.String() {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Fatalf("the text has the control character %q", r)
			}
		}
		families := export.Families(snap, export.FamilyConfig{Labels: map[string]string{"policy": "p"}, Handler: true})
		require.NoError(t, prom.WriteText(&exposition, export.JoinFamilies(families)))
		parser := expfmt.NewTextParser(model.UTF8Validation)
		_, err = parser.TextToMetricFamilies(&exposition)
		require.NoError(t, err)
	})
}
