package cbpf_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"visor/capture/filter/cbpf"
)

// question is a random Test together with a plain evaluation. Frames have at least longest bytes.
type question struct {
	test   cbpf.Test
	answer func(frame []byte) bool
}

const longest = 6

// leaf compares a byte, shifted or not, with a small number, so that equal tests and implied
// results are frequent.
func leaf(rng *rand.Rand) question {
	at, k, mask := rng.Uint32N(longest), rng.Uint32N(4), uint32(3)
	code := cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Byte, K: at}, {Op: cbpf.ALU | cbpf.And, K: mask}}
	jump := []uint16{cbpf.JEQ, cbpf.JGT, cbpf.JGE, cbpf.JSET}[rng.IntN(4)]
	return question{cbpf.If(code, jump, k), func(frame []byte) bool {
		a := uint32(frame[at]) & mask
		return map[uint16]bool{cbpf.JEQ: a == k, cbpf.JGT: a > k, cbpf.JGE: a >= k, cbpf.JSET: a&k != 0}[jump]
	}}
}

// stored stores a number in scratch memory for a test that compares it, as X, with a byte.
func stored(rng *rand.Rand) question {
	slot, at, k := rng.Uint32N(cbpf.Slots), rng.Uint32N(longest), rng.Uint32N(4)
	then := cbpf.If(cbpf.Code{{Op: cbpf.LoadXMem, K: slot}, {Op: cbpf.Load | cbpf.Abs | cbpf.Byte, K: at}}, cbpf.JGE|cbpf.X, 0)
	run := cbpf.Run(cbpf.Code{{Op: cbpf.LoadConst, K: k}, {Op: cbpf.Store, K: slot}}, then)
	return question{run, func(frame []byte) bool {
		return uint32(frame[at]) >= k
	}}
}

func tree(rng *rand.Rand, depth int) question {
	switch kind := rng.IntN(10); {
	case depth == 0 || kind < 2:
		return leaf(rng)
	case kind < 3:
		return stored(rng)
	case kind < 4:
		q := tree(rng, depth-1)
		return question{cbpf.Not(q.test), func(frame []byte) bool { return !q.answer(frame) }}
	case kind < 5:
		known := rng.IntN(2) == 0
		return question{cbpf.Known(known), func([]byte) bool { return known }}
	default:
		all := kind < 8
		parts := []question{tree(rng, depth-1), tree(rng, depth-1), tree(rng, depth-1)}
		join := cbpf.Any
		if all {
			join = cbpf.All
		}
		return question{join(parts[0].test, parts[1].test, parts[2].test), func(frame []byte) bool {
			for _, q := range parts {
				if q.answer(frame) != all {
					return !all
				}
			}
			return all
		}}
	}
}

// TestNew compares optimized programs with a plain evaluation and with the machine of x/net/bpf.
// Frames that are too short are only run on the latter, because New may skip tests that cannot
// change the result.
func TestNew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		q := tree(rng, 4)
		p := cbpf.New(q.test)
		decoded, ok := bpf.Disassemble(p.Instructions())
		require.True(t, ok, "%v", p)
		vm, err := bpf.NewVM(decoded)
		require.NoError(t, err, "%v", p)
		for range 20 {
			frame := make([]byte, rng.IntN(longest+3))
			for i := range frame {
				frame[i] = byte(rng.IntN(4))
			}
			match := p.Match(frame, uint32(len(frame)))
			if len(frame) >= longest {
				require.Equal(t, q.answer(frame), match, "% x\n%v", frame, p)
			}
			n, err := vm.Run(frame)
			require.NoError(t, err)
			require.Equal(t, n != 0, match, "% x\n%v", frame, p)
		}
	}
}

// TestSmall checks the number of instructions of tests with a redundant part.
func TestSmall(t *testing.T) {
	is := func(k uint32) cbpf.Test {
		return cbpf.If(cbpf.Code{{Op: cbpf.Load | cbpf.Abs | cbpf.Byte, K: 9}}, cbpf.JEQ, k)
	}
	for name, tt := range map[string]struct {
		test cbpf.Test
		want int
	}{
		"always":               {cbpf.Always, 1},
		"nothing of nothing":   {cbpf.All(cbpf.Any(), is(1)), 1},
		"the same twice":       {cbpf.All(is(1), is(1)), 4},
		"one load":             {cbpf.Any(is(1), is(2)), 5},
		"whatever the answer":  {cbpf.Any(is(1), cbpf.Not(is(1))), 1},
		"the second cannot be": {cbpf.All(is(1), is(2)), 1},
	} {
		require.Len(t, cbpf.New(tt.test).Instructions(), tt.want, name)
	}
}

func TestApply(t *testing.T) {
	const max = 1<<32 - 1
	for _, tt := range []struct {
		op         uint16
		a, b, want uint32
	}{
		{cbpf.Add, max, 4, 3}, {cbpf.Sub, 4, 5, max}, {cbpf.Mul, max, 4, max - 3}, {cbpf.Div, 9, 4, 2}, {cbpf.Mod, 9, 4, 1},
		{cbpf.And, 6, 3, 2}, {cbpf.Or, 6, 3, 7}, {cbpf.Xor, 6, 3, 5}, {cbpf.Lsh, 1, 32, 0}, {cbpf.Rsh, 8, 2, 2},
	} {
		got, ok := cbpf.Apply(tt.op, tt.a, tt.b)
		require.True(t, ok)
		require.Equal(t, tt.want, got, "%+v", tt)
	}
	for _, op := range []uint16{cbpf.Div, cbpf.Mod} {
		_, ok := cbpf.Apply(op, 1, 0)
		require.False(t, ok)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	p := cbpf.New(tree(rand.New(rand.NewPCG(3, 4)), 4).test)
	frame := []byte{1, 2, 3, 0, 1, 2, 3}
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Match(frame, 7) }))
}
