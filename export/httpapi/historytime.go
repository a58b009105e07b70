package httpapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// errLength is the error of a length of time.
var errLength = errors.New("not a length of time")

// parseTime parses a time: RFC 3339, seconds since 1970, now, or a length before now as -1h. An
// empty text is the default.
func parseTime(name, text string, now, without time.Time) (time.Time, error) {
	switch {
	case text == "":
		return without, nil
	case text == "now":
		return now, nil
	}
	if before, ok := strings.CutPrefix(text, "-"); ok {
		if d, err := parseLength(before); err == nil {
			return now.Add(-d), nil
		}
	}
	// a + is a space in a query
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")); err == nil {
		return t, nil
	}
	if sec, err := strconv.ParseFloat(text, 64); err == nil && sec >= 0 && sec < 1<<33 {
		return time.Unix(0, int64(sec*1e9)), nil
	}
	return time.Time{}, fmt.Errorf("%s=%s: must be a time as 2026-01-31T03:12:00Z, seconds since 1970, or as -1h before now", name, text)
}

// longestLength is the longest length of time that parseLength accepts.
const longestLength = 100 * 366 * 24 * time.Hour

// parseLength parses a positive length of time: Go's form, days as 7d, or seconds.
func parseLength(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		unit := 24 * time.Hour
		days, isDays := strings.CutSuffix(text, "d")
		if !isDays {
			days, unit = text, time.Second
		}
		n, bad := strconv.ParseUint(days, 10, 32)
		if bad != nil || n > uint64(longestLength/unit) {
			return 0, errLength
		}
		d = time.Duration(n) * unit
	}
	if d <= 0 || d > longestLength {
		return 0, errLength
	}
	return d, nil
}
