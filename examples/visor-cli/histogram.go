package main

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// barWidth is the width of the longest bar in columns.
const barWidth = 8

// histogram returns the bins of a histogram in the order of their bounds, each with a bar. Counts
// in an answer are cumulative; the returned ones are not. Empty bins at both ends are omitted.
func histogram(buckets node, key string) (bins []item) {
	type bin struct{ le, count float64 }
	var all []bin
	for text := range buckets {
		if le, err := strconv.ParseFloat(text, 64); err == nil { // also parses "+Inf"
			all = append(all, bin{le, buckets.number(text)})
		}
	}
	slices.SortFunc(all, func(a, b bin) int { return cmp.Compare(a.le, b.le) })
	below, most := 0.0, 0.0
	for i := range all {
		all[i].count, below = all[i].count-below, all[i].count
		most = max(most, all[i].count)
	}
	first, last := len(all), 0
	for i := range all {
		if all[i].count > 0 {
			first, last = min(first, i), i+1
		}
	}
	for _, b := range all[min(first, last):last] {
		bins = append(bins, item{name: bound(b.le, key), count: b.count, text: bar(b.count, most) + " " + count(b.count)})
	}
	return bins
}

// bound formats the upper bound of a bin.
func bound(le float64, key string) string {
	if math.IsInf(le, 1) {
		return "more"
	}
	return "≤ " + amount(le, key)
}

// bar draws n as a share of most. A non-zero value gets at least an eighth of a column.
func bar(n, most float64) string {
	eighths := int(math.Ceil(n / most * 8 * barWidth))
	whole := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		whole += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return whole + strings.Repeat(" ", barWidth-(eighths+7)/8)
}
