package difftest_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/pcapfile"
	"visor/internal/trafficgen"
)

// most is the number of frames per run: enough for transactions and streams, few enough to be
// quick.
const most = 400

// frames returns the first frames of a capture file, or nil if the file is not a capture.
func frames(file []byte) (out []capture.Frame) {
	src, err := pcapfile.NewReader(bytes.NewReader(file), "fuzz")
	if err != nil {
		return nil
	}
	var b capture.Batch
	for len(out) < most && src.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			f.Data = slices.Clone(f.Data)
			out = append(out, f)
		}
	}
	return out[:min(len(out), most)]
}

// mutate returns in with some frames changed, cut, swapped, repeated, moved in time or left out.
// Seed 0 changes nothing.
func mutate(in []capture.Frame, seed uint64) []capture.Frame {
	if seed == 0 || len(in) == 0 {
		return in
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := slices.Clone(in)
	for range 1 + rnd.IntN(len(in)/2+2) {
		i := rnd.IntN(len(out))
		switch rnd.IntN(7) {
		case 0, 1, 2:
			out[i].Data = damage(slices.Clone(out[i].Data), rnd)
		case 3:
			j := rnd.IntN(len(out))
			out[i], out[j] = out[j], out[i]
		case 4:
			out = append(out, out[i])
		case 5:
			wrong := int64(2 * time.Second)
			if rnd.IntN(2) == 0 {
				wrong = int64(50 * time.Minute) // a step that is believed
			}
			out[i].TimeNS += rnd.Int64N(2*wrong) - wrong
		case 6:
			if len(out) > 1 {
				out = slices.Delete(out, i, i+1)
			}
		}
	}
	return out
}

// damage flips a bit, cuts the end off, or writes a few extreme bytes.
func damage(b []byte, rnd *rand.Rand) []byte {
	if len(b) == 0 {
		return b
	}
	at := rnd.IntN(len(b))
	switch rnd.IntN(3) {
	case 0:
		b[at] ^= 1 << rnd.IntN(8)
	case 1:
		b = b[:at]
	case 2:
		copy(b[at:], []byte{0xFF, 0xFF, 0, 0}[:rnd.IntN(5)])
	}
	return b
}

// addSeeds adds generated captures, and small ones of ../shared/corpus.
func addSeeds(f *testing.F) {
	for seed, mix := range []trafficgen.Mix{{DNS: 100}, {DNS: 50, DNSTCP: 50}, {DNS: 30, DNSTCP: 20, Fragmented: 20, TCP: 20, ICMP: 10, VLAN: 20}} {
		var file bytes.Buffer
		_, err := trafficgen.WritePcap(&file, trafficgen.Config{Packets: most, Mix: mix, Seed: uint64(seed)})
		require.NoError(f, err)
		f.Add(file.Bytes(), uint64(0))
		f.Add(file.Bytes(), uint64(seed+1))
	}
	const corpus, largest = "../../../shared/corpus", 20_000
	n := 0
	_ = filepath.WalkDir(corpus, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || n == 200 {
			return nil // without the corpus the generated captures remain
		}
		if info, err := entry.Info(); err != nil || info.Size() > largest {
			return nil
		}
		file, err := os.ReadFile(path)
		if err == nil && len(frames(file)) > 0 {
			n++
			f.Add(file, uint64(0))
			f.Add(file, uint64(n))
		}
		return nil
	})
	f.Logf("%d captures of %s", n, corpus)
}
