package probemsg_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/decode/probemsg"
)

func FuzzParse(f *testing.F) {
	f.Add(probemsg.Event{Kind: probemsg.Sent, Key: 7, Target: []byte("a")}.AppendTo(nil))
	f.Add(probemsg.Event{Kind: probemsg.Responded, Key: 7, Response: probemsg.Response{Status: 200, Total: 1234, Expiry: 1 << 31}, Target: []byte("a")}.AppendTo(nil))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := probemsg.Parse(b); err == nil {
			require.Equal(t, b, e.AppendTo(nil))
		}
	})
}

func TestMalformed(t *testing.T) {
	odd := probemsg.Event{Kind: probemsg.Responded, Response: probemsg.Response{Outcome: probemsg.BadResponse + 1}}.AppendTo(nil)
	for _, b := range [][]byte{nil, make([]byte, 8), make([]byte, 20), {8, 0, 0, 0, 0, 0, 0, 0, 0}, {9, 0, 0, 0, 0, 0, 0, 0, 0}, odd} {
		_, err := probemsg.Parse(b)
		require.ErrorIs(t, err, probemsg.ErrMalformed)
	}
}

func Example() {
	b := probemsg.Event{Kind: probemsg.Received, Key: 7, Target: []byte("resolver")}.AppendTo(nil)
	e, err := probemsg.Parse(b)
	fmt.Println(e.Kind == probemsg.Received, e.Key, string(e.Target), err)
	// Output: true 7 resolver <nil>
}
