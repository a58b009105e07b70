package handler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"visor/handler"
	"visor/sketch"
)

func TestNewSchemaRejects(t *testing.T) {
	names := handler.GroupNames{"counters"}
	type noMetric struct {
		N int `metric:"n"`
	}
	_, err := handler.NewSchema[noMetric]("x", names)
	require.ErrorContains(t, err, "N: int is not a metric")

	type noGroup struct {
		N sketch.Counter `metric:"n,rates"`
	}
	_, err = handler.NewSchema[noGroup]("x", names)
	require.ErrorContains(t, err, "rates is an invalid/unsupported metric group")

	type badName struct {
		N sketch.Counter `metric:"top-n"`
	}
	_, err = handler.NewSchema[badName]("x", names)
	require.ErrorContains(t, err, "invalid metric name: x_top-n")

	type unmarked struct {
		N int
		C sketch.Counter `metric:"c"`
	}
	_, err = handler.NewSchema[unmarked]("x", names)
	require.NoError(t, err, "fields without a tag are the handler's own")
}
