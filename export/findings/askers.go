package findings

import (
	"slices"
	"strings"
)

// clientNames is the list of the clients with the most distinct names.
const clientNames = "clients_by_names"

// askers returns the clients that most names below a domain come from, with their numbers of
// distinct names. Samples of the names of a client show where its names are.
func (v *view) askers(b *below) (out []Part) {
	suffix := "." + plain(b.domain)
	for _, it := range v.items(v.path(clientNames)) {
		in := 0
		for _, s := range it.Samples {
			// samples of long names lack the end
			if strings.HasSuffix("."+plain(s), suffix) || strings.HasSuffix(s, "…") && slices.Contains(b.item.Samples, s) {
				in++
			}
		}
		if names := it.Estimate * uint64(in) / uint64(max(len(it.Samples), 1)); in > 1 && names > 0 {
			out = append(out, Part{Name: it.Name, Count: names, Share: share(float64(names), b.names)})
		}
	}
	slices.SortStableFunc(out, func(a, b Part) int { return int(b.Count) - int(a.Count) })
	return out[:min(len(out), evidenceLength)]
}

// evidenceLength is the number of entries of a list that are evidence.
const evidenceLength = 10

// addAskers adds the clients of a domain as evidence, or the busiest clients if these are unknown.
func (v *view) addAskers(s *signal, b *below) {
	v.addClients(s)
	if list := v.askers(b); len(list) > 0 {
		s.Evidence.Clients, s.Evidence.Concentration = list, list[0].Share
	}
}
