package metric_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler/metric"
	"visor/sketch"
)

func TestNewSchemaRejects(t *testing.T) {
	names := metric.GroupNames{"counters"}
	type noMetric struct {
		N int `metric:"n"`
	}
	_, err := metric.NewSchema[noMetric]("x", names)
	require.ErrorContains(t, err, "N: int is not a metric")

	type noGroup struct {
		N sketch.Counter `metric:"n,rates"`
	}
	_, err = metric.NewSchema[noGroup]("x", names)
	require.ErrorContains(t, err, `unknown metric group "rates"; the groups are all, counters`)

	type misspelt struct {
		N sketch.Counter `metrc:"n" help:"things"`
	}
	_, err = metric.NewSchema[misspelt]("x", names)
	require.ErrorContains(t, err, `N: the tag has no key "metrc"`)

	type misspeltHelp struct {
		N sketch.Counter `metric:"n" hlep:"things"`
	}
	_, err = metric.NewSchema[misspeltHelp]("x", names)
	require.ErrorContains(t, err, `N: the tag has no key "hlep"`)

	type helpAlone struct {
		N sketch.Counter `help:"things"`
	}
	_, err = metric.NewSchema[helpAlone]("x", names)
	require.ErrorContains(t, err, `N: the tag lacks the key "metric"`)

	type badName struct {
		N sketch.Counter `metric:"top-n"`
	}
	_, err = metric.NewSchema[badName]("x", names)
	require.ErrorContains(t, err, "invalid metric name: x_top-n")

	type noLabel struct {
		N metric.TopNames `metric:"n"`
	}
	_, err = metric.NewSchema[noLabel]("x", names)
	require.ErrorContains(t, err, `noLabel.N: invalid label: ""`)
	type badLabel struct {
		N metric.Map[struct {
			N sketch.Counter `metric:"n"`
		}] `metric:"n" label:"a b"`
	}
	_, err = metric.NewSchema[badLabel]("x", names)
	require.ErrorContains(t, err, `badLabel.N: invalid label: "a b"`)

	type same struct {
		N sketch.Counter `metric:"n"`
		M sketch.Counter `metric:"n"`
	}
	_, err = metric.NewSchema[same]("x", names)
	require.ErrorContains(t, err, "two metrics have the name x_n in Prometheus")

	type child struct {
		N sketch.Counter `metric:"n"`
	}
	type shared struct {
		N        sketch.Counter    `metric:"n"`
		Children metric.Map[child] `metric:"" label:"child"`
	}
	_, err = metric.NewSchema[shared]("x", names)
	require.ErrorContains(t, err, "two metrics have the name x_n in Prometheus")

	type renamed struct {
		N        sketch.Counter    `metric:"n" prom:"x_all"`
		Children metric.Map[child] `metric:"" label:"child"`
	}
	_, err = metric.NewSchema[renamed]("x", names)
	require.NoError(t, err)

	type unmarked struct {
		N int
		C sketch.Counter `metric:"c"`
	}
	_, err = metric.NewSchema[unmarked]("x", names)
	require.NoError(t, err, "fields without a tag are the handler's own")
}
