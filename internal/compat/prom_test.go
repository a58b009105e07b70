package compat_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"visor/export"
	"visor/export/prom"
	"visor/handler"
)

// families describes Prometheus metrics without the values of lists: the name of a family, its
// type, and each label set of its series.
func families(all map[string]*dto.MetricFamily, handlerLabel string) map[string]string {
	out := make(map[string]string)
	for name, f := range all {
		var shapes []string
		for _, m := range f.GetMetric() {
			var labels []string
			mine := false
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
				mine = mine || l.GetName() == "handler" && l.GetValue() == handlerLabel
			}
			if shape := fmt.Sprint(labels); mine && !slices.Contains(shapes, shape) {
				shapes = append(shapes, shape)
			}
		}
		if len(shapes) > 0 {
			slices.Sort(shapes)
			out[name] = f.GetType().String() + " " + strings.Join(shapes, ", ")
		}
	}
	return out
}

// comparePrometheus compares the metrics of a snapshot with pktvisor's text, if the policy has one.
// Rates are left out, since pktvisor has none for files.
func (o *oracle) comparePrometheus(t *testing.T, snap *handler.Snapshot, dir, answer, fixture, policy, tap string) {
	stem, ok := strings.CutSuffix(answer, ".bucket0.json")
	raw, err := os.ReadFile(filepath.Join(dir, stem+".prom"))
	if !ok || err != nil {
		return
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	want, err := parser.TextToMetricFamilies(strings.NewReader(string(raw)))
	require.NoError(t, err)
	for i := range snap.Modules {
		instance := fmt.Sprintf("%s-%s-%s", policy, tap, snap.Modules[i].Name)
		one := handler.Snapshot{Modules: snap.Modules[i : i+1]}
		var text strings.Builder
		cfg := prom.Config{Labels: map[string]string{"policy": policy, "tap": tap, "handler": instance}}
		require.NoError(t, prom.WriteText(&text, export.Families(&one, cfg)))
		got, err := parser.TextToMetricFamilies(strings.NewReader(text.String()))
		require.NoError(t, err)
		isRate := func(name, _ string) bool {
			return strings.Contains(name, "rates_") || strings.HasSuffix(name, "_rates")
		}
		w, g := families(want, instance), families(got, instance)
		maps.DeleteFunc(w, isRate)
		maps.DeleteFunc(g, isRate)
		maps.DeleteFunc(g, func(name, _ string) bool {
			return w[name] == "" && o.reasons.use("* prometheus "+name, true) != ""
		})
		if !maps.Equal(w, g) && (o.reasons.use(fixture+" ."+snap.Modules[i].Schema, true) != "" || o.reasons.use(answer+" prometheus "+snap.Modules[i].Name, true) != "") {
			continue
		}
		require.Equal(t, w, g, "%s", instance)
		o.prometheus++
	}
}
