package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/handler"
	"visor/handler/pcap"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/packettest"
)

// guestConfig configures a handler of another module.
type guestConfig struct {
	handler.Settings

	Least int `policy:"least_size" range:"1-9000" help:"counts frames of this size"`
}

// guestInput configures a source of another module.
type guestInput struct {
	Frames int `policy:"frames" range:"0-10" help:"how many frames there are"`
}

// guests returns a Catalog with types of another module, and the options that their handler
// received.
func guests(got *guestConfig) policy.Catalog {
	types := builtin.Catalog()
	types.Inputs = append(types.Inputs, policy.DeclareInput("made", nil, func(cfg guestInput, _ policy.InputEnv) (policy.Opened, error) {
		frames := make([]capture.Frame, cfg.Frames)
		for i := range frames {
			frames[i] = packettest.UDP(0, "192.0.2.1:5000", "192.0.2.2:53", nil)
		}
		return policy.Opened{Sources: []capture.Source{capture.NewMemory(frames)}}, nil
	}))
	types.Add(policy.Declare("sizes", "1.0", func(cfg guestConfig, _ policy.Env) (handler.Handler, error) {
		*got = cfg
		return pcap.New(pcap.Config{Settings: cfg.Settings})
	}), "made", "pcap")
	return types
}

const guestDocument = `visor:
  taps:
    t: {input_type: made, config: {frames: 3}}
  policies:
    p:
      kind: collection
      input: {tap: t, input_type: made}
      handlers:
        window_config: {}
        modules:
          m: {type: sizes, config: {least_size: 64, num_periods: 2}}
`

// A program registers its own handler and input, with their own options.
func TestGuests(t *testing.T) {
	var got guestConfig
	m := policy.NewManager(policy.ManagerConfig{Types: guests(&got)})
	defer m.Close()
	doc, err := m.Types().Parse([]byte(guestDocument))
	require.NoError(t, err)
	require.Empty(t, doc.Warnings)
	require.NoError(t, m.Load(doc))
	require.Equal(t, []any{64, 2, "p-t-m", "t"}, []any{got.Least, got.Periods, got.Name, got.Tap})
	p := m.Policy("p")
	<-p.Parts[0].Ended()
	require.Equal(t, uint64(3), p.Parts[0].Account().Offered)
}

// Add makes an analyzer available to policies on the named inputs alone.
func TestGuestInputs(t *testing.T) {
	var got guestConfig
	types := guests(&got)
	for input, want := range map[string]bool{"made": true, "pcap": true, "dnstap": false} {
		require.Equal(t, want, types.Takes(input, "sizes"), input)
	}
	require.False(t, types.Takes("made", "dns"), "made feeds no other analyzer")
	require.True(t, types.Takes("pcap", "dns"), "pcap still feeds its own")
	require.False(t, builtin.Catalog().Takes("pcap", "sizes"), "the next Catalog is as before")
}

// Their options are checked with line and column, like the options of visor's types.
func TestGuestErrors(t *testing.T) {
	var got guestConfig
	for old, tt := range map[string][2]string{
		"least_size: 64": {"least_size: 0", "policy [p] failed to start: least_size must be from 1 to 9000 but is 0 (line 11, column 37)"},
		"num_periods":    {"num_period", "policy [p] failed to start: num_period is an invalid/unsupported config or filter. The valid configs/filters are: least_size, deep_sample_rate, num_periods, topn_count, topn_percentile_threshold (line 11, column 53); did you mean 'num_periods'?"},
		"type: sizes":    {"type: sises", "Policy 'p' requires stream handler type 'sises' and version '1.0' which is not available (line 11, column 21); did you mean 'sizes'?"},
		"frames: 3":      {"frames: x", "invalid tap config for tap 't': wrong type for key: frames (line 3, column 36)"},
	} {
		doc, err := guests(&got).Parse([]byte(strings.Replace(guestDocument, old, tt[0], 1)))
		if err = refusal(doc, err); err == nil {
			require.Len(t, doc.Warnings, 1)
			err = doc.Warnings[0]
		}
		require.EqualError(t, err, tt[1])
	}
}
