package main

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"visor/export"
	"visor/handler/asks"
)

// writeAsks writes the answer to --name or --client: a sentence, and a table of clients or names.
func (j *job) writeAsks(w io.Writer, m *asks.Metrics, report *export.Report) {
	fmt.Fprintln(w, wrap(export.Readable(m.Sentence(j.question, report.Coverage.To.Sub(report.Coverage.From))), j.width))
	if j.question.QName != "" {
		writeSubjects(w, "client", m.ByClient.All(), func(c *asks.Client) *asks.Subject { return &c.Subject }, j.top)
	}
	if j.question.QName == "" || m.ByQName.Len() > 1 {
		writeSubjects(w, "name", m.ByQName.All(), func(n *asks.QName) *asks.Subject { return &n.Subject }, j.top)
	}
}

// writeSubjects writes the heaviest subjects.
func writeSubjects[M any](w io.Writer, title string, all iter.Seq2[string, *M], counts func(*M) *asks.Subject, most int) {
	type row struct {
		name string
		*asks.Subject
	}
	var rows []row
	for name, m := range all {
		rows = append(rows, row{name, counts(m)})
	}
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.Queries.Value(), a.Queries.Value()) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s\tqueries\ttypes\treplies\tresults\tfirst\tlast (UTC)\n", title)
	for _, r := range rows[:min(most, len(rows))] {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\t%s\t%s\n", export.Readable(r.name), r.Queries.Value(), types(r.Subject), r.Replies.Value(), results(r.Subject),
			moments(r.First.Min()), moments(r.Last.Max()))
	}
	t.Flush()
	if left := len(rows) - most; left > 0 {
		fmt.Fprintf(w, "and %d more; --top shows them\n", left)
	}
}

func moments(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format(time.DateTime) }

// types returns the queries of a subject by type.
func types(s *asks.Subject) string {
	return nonZero("A", s.A.Value(), "AAAA", s.AAAA.Value(), "HTTPS", s.HTTPS.Value(), "other", s.OtherTypes())
}

// results returns the replies to a subject by result.
func results(s *asks.Subject) string {
	return nonZero("NOERROR", s.NoError.Value(), "NODATA", s.NoData.Value(), "NXDOMAIN", s.NXDomain.Value(),
		"SERVFAIL", s.ServFail.Value(), "REFUSED", s.Refused.Value(), "other", s.OtherResults())
}

// nonZero joins pairs of a name and a count. It leaves out counts of zero.
func nonZero(pairs ...any) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != uint64(0) {
			out = append(out, fmt.Sprint(pairs[i], " ", pairs[i+1]))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "-")
}
