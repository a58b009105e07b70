package asks

import (
	"fmt"
	"strings"
	"time"

	"visor/handler/metric"
	"visor/sketch"
)

// shown is the number of entries of a list in a sentence.
const shown = 5

// Sentence returns the answer to q in words. The messages of m passed the filters of q within a
// length of time. Names and numbers are as in the lists of m: names may have characters that a
// terminal interprets.
func (m *Metrics) Sentence(q Question, length time.Duration) string {
	var b strings.Builder
	clients := m.Clients.Estimate()
	fmt.Fprintf(&b, "In %v, %s %s", length.Round(time.Second), q.clients(clients), q.ask())
	if clients == 0 {
		return b.String() + "."
	}
	fmt.Fprintf(&b, ": %s%s, %s%s.", plural(m.Queries.Value(), "query", "queries"), list(m.TopQTypes.Items(shown), 0),
		plural(m.Replies.Value(), "reply", "replies"), list(m.TopRCodes.Items(shown), 0))
	b.WriteString(most("Clients", m.TopClients.Items(shown), clients))
	if names := m.Names.Estimate(); q.QName == "" || names > 1 {
		b.WriteString(most("Names", m.TopQNames.Items(shown), names))
	}
	if first, last := m.Seen(); first > 0 {
		fmt.Fprintf(&b, " First seen %s, last %s UTC.", clock(first), clock(last))
	}
	return b.String()
}

// Seen returns the times of the first and the last message, in seconds since 1970, or 0 if there is
// none.
func (m *Metrics) Seen() (first, last uint64) {
	var times sketch.Extremes
	for _, s := range m.ByClient.All() {
		times.Merge(&s.First.Extremes)
		times.Merge(&s.Last.Extremes)
	}
	if times.Count() == 0 {
		return 0, 0
	}
	return times.Min(), times.Max()
}

func clock(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.DateTime) }

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// most returns a sentence about the heaviest items of all.
func most(what string, items []metric.Item, all uint64) string {
	if len(items) == 0 {
		return ""
	}
	return " " + what + " by queries:" + list(items, all) + "."
}

// list returns the items in brackets. If all is not 0, it is a list without brackets that counts
// the items left out. A shorter list is complete: anonymized addresses are fewer than all clients.
func list(items []metric.Item, all uint64) string {
	var parts []string
	for _, it := range items {
		if all > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", it.Name, it.Estimate))
		} else {
			parts = append(parts, fmt.Sprintf("%s %d", it.Name, it.Estimate))
		}
	}
	switch text := strings.Join(parts, ", "); {
	case len(parts) == 0:
		return ""
	case all == 0:
		return " (" + text + ")"
	case len(parts) == shown && all > shown:
		return fmt.Sprintf(" %s and %d more", text, all-uint64(len(parts)))
	default:
		return " " + text
	}
}
