// Package retryafter reads the delay that an HTTP server asks for before the next attempt.
package retryafter

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Delay returns the delay in the field Retry-After (RFC 9110 section 10.2.3), a number of seconds
// or a date. It returns 0 if the field is absent, invalid or in the past. A date is relative to
// the field Date if that is valid, because the clocks of server and client may differ.
func Delay(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if digits(value) {
		const most = uint64(math.MaxInt64 / time.Second)
		seconds, _ := strconv.ParseUint(value, 10, 64) // the greatest number if it is out of range
		return time.Duration(min(seconds, most)) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, until.Sub(now))
}

// digits reports whether s consists of at least one digit and of nothing else.
func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
