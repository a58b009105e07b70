package main

import (
	"cmp"
	"slices"
	"strings"

	"visor/export"
)

// sets are the parts of an answer whose members are named by what they are about: devices by their
// address, and so on.
var sets = []string{"devices", "interfaces", "targets"}

// readAnything makes panels of all that a handler has counted, by the form of its answer: lists,
// numbers and distributions. What is empty, or zero, has none.
func (s *summary) readAnything(schema string, n node) {
	s.walk(schema, nil, nil, n)
}

// walk reads the part of an answer that is about a subject, at path below it.
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

// addPanel adds a panel of items, unless there are none.
func (s *summary) addPanel(schema string, subject, path []string, items []item) {
	if len(items) == 0 {
		return
	}
	title := strings.ToUpper(schema)
	if len(subject) > 0 {
		title = export.SubjectWords(subject)
	}
	if words := export.Words(path...); words != "" {
		title = words + " · " + title // panels may be too narrow for all of it
	}
	key := strings.Join(slices.Concat([]string{schema}, subject, path), "\x00")
	s.lists[key] = items
	s.panels = append(s.panels, panel{title: title, list: key})
}

// amount writes a number of the metric named key.
func amount(v float64, key string) string {
	if key == "us" || strings.HasSuffix(key, "_us") {
		return export.Microseconds(v)
	}
	return count(v)
}

// quantiles writes the middle and the end of a distribution.
func quantiles(n node, key string) string {
	return "p50 " + amount(n.number("p50"), key) + ", p99 " + amount(n.number("p99"), key)
}

// shownPanels returns those of panels that have entries, and what handlers counted that no panel is
// made for.
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
