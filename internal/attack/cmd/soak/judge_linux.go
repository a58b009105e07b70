package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const header = "minute  queries      sent  replies      sent  xacts  timeouts  recall  distinct  error  RSS MB  goroutines  fds"

// judge compares the agent's answers with the truth, minute by minute.
type judge struct {
	o      options
	truth  *truth
	number int
}

// minute returns the line of the last closed minute, and its errors.
func (j *judge) minute(ctx context.Context) (string, error) {
	j.number++
	got, err := lastMinute(ctx, j.o.agent)
	if err != nil {
		return fmt.Sprintf("%6d  %v", j.number, err), err
	}
	want := j.truth.span(got.Period.Start, got.Period.Length)
	recall := j.recall(got)
	off := float64(got.Cardinality.QName)/float64(len(want.names)) - 1
	p, err := j.process(ctx)
	line := fmt.Sprintf("%6d %8d  %8d %8d  %8d %6d  %8d  %6.2f  %8d  %+5.1f%%  %6d  %10d  %3d",
		j.number, got.Wire.Queries, want.queries, got.Wire.Replies, want.replies, got.Xact.Counts.Total, got.Xact.Counts.TimedOut,
		recall, got.Cardinality.QName, 100*off, p.rss, p.goroutines, p.descriptors)
	// A period begins within a second, but the truth has whole seconds: two of them may be cut.
	margin := 0.01 + 2/float64(max(got.Period.Length, 1))
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{j.number > 1 && differs(got.Wire.Queries, want.queries, margin), "queries"},
		{j.number > 1 && differs(got.Wire.Replies, want.replies, margin), "replies"},
		{recall < 1, "recall"},
		{j.number > 1 && math.Abs(off) > 0.07, "distinct names"}, // four standard errors of 1.6 %
		{p.rss > j.o.maxRSS, "memory"},
	} {
		if c.bad {
			err = errors.Join(err, fmt.Errorf("minute %d: %s", j.number, c.what))
		}
	}
	return line, err
}

// differs reports whether got is further from want than a share of it.
func differs(got, want uint64, share float64) bool {
	return math.Abs(float64(got)-float64(want)) > share*float64(want)
}

// recall returns which share of the heavy names is in the list.
func (j *judge) recall(got clean) float64 {
	found := 0
	for _, item := range got.Top {
		if strings.HasPrefix(item.Name, "heavy") || strings.HasPrefix(item.Name, ".heavy") {
			found++
		}
	}
	return float64(found) / heavies
}

// usage is the resource usage of the agent's process.
type usage struct{ rss, goroutines, descriptors int }

var goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)

func (j *judge) process(ctx context.Context) (u usage, err error) {
	proc := fmt.Sprintf("/proc/%d/", j.o.pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return u, fmt.Errorf("the agent is gone: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(kb)[0])
			u.rss = n / 1024
		}
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		return u, err
	}
	u.descriptors = len(fds)
	body, err := request(ctx, "GET", j.o.agent+"/debug/pprof/goroutine?debug=1", "")
	if m := goroutines.FindSubmatch(body); m != nil {
		u.goroutines, _ = strconv.Atoi(string(m[1]))
	}
	return u, err
}
