package retryafter

import (
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelay(t *testing.T) {
	const most = math.MaxInt64 / time.Second * time.Second
	const now = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"120", "", 2 * time.Minute}, {" 5 ", "", 5 * time.Second}, {"-5", "", 0}, {"+5", "", 0}, {"1.5", "", 0},
		{"5 s", "", 0}, {"9223372036", "", most}, {"9223372037", "", most}, {"99999999999999999999", "", most},
		// the three forms of RFC 9110 section 5.6.7
		{"Sun, 06 Nov 1994 08:50:37 GMT", now, time.Minute},
		{"Sunday, 06-Nov-94 08:50:37 GMT", now, time.Minute},
		{"Sun Nov  6 08:50:37 1994", now, time.Minute},
		{"Sun, 06 Nov 1994 08:49:36 GMT", now, 0}, {"soon", now, 0},
	} {
		h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
		require.Equal(t, tt.want, Delay(h), "%q at %q", tt.value, tt.date)
	}
	require.Zero(t, Delay(http.Header{}))
}

// Without the server's date, the client's counts.
func TestDelayWithoutDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
		require.Equal(t, time.Minute, Delay(http.Header{"Retry-After": {until}}))
		require.Equal(t, time.Minute, Delay(http.Header{"Retry-After": {until}, "Date": {"today"}}))
	})
}
