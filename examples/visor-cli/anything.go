package main

import (
	"cmp"
	"slices"
	"strings"

	"visor/export"
)

// sets are the parts of an answer that are maps: their keys name devices, interfaces or targets.
var sets = []string{"devices", "interfaces", "targets"}

// readAnything creates panels for all metrics of a handler, by the form of its answer: lists,
// numbers and distributions. Empty lists and zeros get no panel.
func (s *summary) readAnything(schema string, n node) {
	s.walk(schema, nil, nil, n)
}

// walk reads the part of an answer that belongs to a subject, at path below it.
func (s *summary) walk(schema string, subject, path []string, n node) {
	var numbers []item
	for _, key := range sortedKeys(n) {
		if key == "period" {
			continue
		}
		at := append(slices.Clone(path), key)
		switch v := n[key].(type) {
		case float64:
			numbers = append(numbers, item{name: export.Words(key), count: v, text: amount(v, key)})
		case []any:
			s.addPanel(schema, subject, at, n.items(key))
		case map[string]any:
			switch {
			case slices.Contains(sets, key):
				for _, member := range sortedKeys(v) {
					s.walk(schema, append(slices.Clone(subject), key, member), nil, node(v).at(member))
				}
			case v["p50"] != nil:
				numbers = append(numbers, item{name: export.Words(key), count: node(v).number("p99"), text: quantiles(v, key)})
			case v["buckets"] != nil:
				s.addPanel(schema, subject, at, histogram(node(v).at("buckets"), key))
			default:
				s.walk(schema, subject, at, v)
			}
		}
	}
	if slices.ContainsFunc(numbers, func(it item) bool { return it.count > 0 }) {
		s.addPanel(schema, subject, path, numbers)
	}
}

// addPanel adds a panel of items, if there are any.
func (s *summary) addPanel(schema string, subject, path []string, items []item) {
	if len(items) == 0 {
		return
	}
	title := strings.ToUpper(schema)
	if len(subject) > 0 {
		title = export.SubjectWords(subject)
	}
	if words := export.Words(path...); words != "" {
		title = words + " · " + title // the end of the title may be cut
	}
	key := strings.Join(slices.Concat([]string{schema}, subject, path), "\x00")
	s.lists[key] = items
	s.panels = append(s.panels, panel{title: title, list: key})
}

// amount formats a number of the metric named key.
func amount(v float64, key string) string {
	if key == "us" || strings.HasSuffix(key, "_us") {
		return export.Microseconds(v)
	}
	return count(v)
}

// quantiles formats the median and the tail of a distribution.
func quantiles(n node, key string) string {
	return "p50 " + amount(n.number("p50"), key) + ", p99 " + amount(n.number("p99"), key)
}

// shownPanels returns the panels with entries, and panels for all lists that no fixed panel shows.
func (s *summary) shownPanels(known []panel) (out []panel) {
	if s == nil {
		return nil
	}
	for _, p := range known {
		if len(s.lists[p.list]) > 0 {
			out = append(out, p)
		}
	}
	more := slices.Clone(s.panels)
	slices.SortStableFunc(more, func(a, b panel) int { return cmp.Compare(a.list, b.list) })
	return append(out, more...)
}
