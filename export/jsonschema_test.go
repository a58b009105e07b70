package export_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/decode"
	"visor/export"
	"visor/handler"
	"visor/handler/policy"
	"visor/handler/policy/builtin"
	"visor/internal/golden"
	"visor/internal/schematest"
	"visor/internal/trafficgen"
)

// TestSchemas keeps the schemas of all handlers, for any groups, in the folder schemas.
func TestSchemas(t *testing.T) {
	for _, kind := range builtin.Catalog().Handlers {
		h, err := builtin.Catalog().Build(policy.Module{Type: kind.Type, Version: kind.Version}, policy.Env{})
		require.NoError(t, err)
		info := h.Info()
		info.Groups = 0
		var b bytes.Buffer
		require.NoError(t, export.WriteJSONSchema(&b, info))
		golden.Equal(t, fmt.Sprintf("schemas/%s-%s.json", kind.Type, kind.Version), b.Bytes())
		schematest.Compile(t, info)
	}
}

// TestValid validates answers about generated traffic, with all groups, with few, and without
// packets.
func TestValid(t *testing.T) {
	own, err := decode.ParseNetSet(trafficgen.LocalNets)
	require.NoError(t, err)
	for _, frames := range [][]capture.Frame{nil, traffic()} {
		for _, disable := range [][]string{nil, {"counters"}} {
			var cfg handler.Config
			for _, kind := range builtin.Catalog().Handlers {
				m := policy.Module{Name: kind.Type + kind.Version, Type: kind.Type, Version: kind.Version}
				if _, grouped := map[string]bool{"net": true, "dns": true, "flow": true, "netprobe": true}[kind.Type]; grouped {
					m.Disable = disable
					if disable == nil {
						m.Enable = []string{"all"}
					}
				}
				h, err := builtin.Catalog().Build(m, policy.Env{})
				require.NoError(t, err)
				cfg.Handlers = append(cfg.Handlers, h)
			}
			cfg.Sources, cfg.Hosts = []capture.Source{capture.NewMemory(frames)}, own
			p, err := handler.NewPipeline(cfg)
			require.NoError(t, err)
			require.NoError(t, p.Run(t.Context()))
			snap, err := p.Bucket(0)
			require.NoError(t, err)
			schematest.Validate(t, snap)
		}
	}
}

// TestInvalid checks that a schema rejects missing and undeclared fields.
func TestInvalid(t *testing.T) {
	h, err := builtin.Catalog().Build(policy.Module{Type: "net"}, policy.Env{})
	require.NoError(t, err)
	schema := schematest.Compile(t, h.Info())
	require.ErrorContains(t, schema.Validate(map[string]any{}), "missing properties")
	info := h.Info()
	info.Groups = 0
	schema = schematest.Compile(t, info)
	answer := map[string]any{"events": 1, "deep_samples": 1, "period": map[string]any{"start_ts": 1, "length": 0}}
	require.NoError(t, schema.Validate(answer))
	answer["surprise"] = 1
	require.ErrorContains(t, schema.Validate(answer), "surprise")
}

func TestSchemaCannotBeWritten(t *testing.T) {
	h, err := builtin.Catalog().Build(policy.Module{Type: "net"}, policy.Env{})
	require.NoError(t, err)
	require.ErrorIs(t, export.WriteJSONSchema(broken{}, h.Info()), errBroken)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
