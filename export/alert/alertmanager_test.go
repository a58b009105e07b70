package alert_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/alert"
	"visor/export/findings"
)

// posted is an alert as the Alertmanager gets it.
type posted struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
}

// alerts returns the accepted alerts, request by request.
func (s *server) alerts(t *testing.T) (out [][]posted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		var list []posted
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		out = append(out, list)
	}
	return out
}

// managed returns a Dispatcher with an Alertmanager.
func managed(t *testing.T, s *server) *alert.Dispatcher {
	return start(t, s, func(c *alert.Config) {
		c.Agent = "ns1"
		c.Receivers = map[string]alert.Receiver{"am": {Type: alert.Alertmanager, URL: "http://am.example/"}}
	})
}

func TestAlertmanager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := ""
		s := &server{answer: func(r *http.Request) int { path = r.URL.Path; return 200 }}
		d := managed(t, s)
		f := finding("example.com", false)
		f.Severity = findings.Warning
		d.Add(f)
		begin := time.Now()
		time.Sleep(3*time.Minute + time.Second)
		got := s.alerts(t) // its lock is of path too
		require.Equal(t, "/api/v2/alerts", path)
		require.Len(t, got, 4, "an alert that lasts is sent again every minute")
		for i, list := range got {
			require.Len(t, list, 1)
			require.Equal(t, map[string]string{"alertname": "visor", "instance": "ns1", "kind": "random_labels", "severity": "warning", "subject": "example.com"}, list[0].Labels)
			require.True(t, list[0].EndsAt.Equal(begin.Add(time.Duration(i+4)*time.Minute)), "its end moves")
			require.True(t, list[0].StartsAt.Equal(f.Since))
		}
		require.Equal(t, "Random labels below example.com.", got[0][0].Annotations["summary"])
		require.Equal(t, "clients: 10.0.0.1 (50 %)", got[0][0].Annotations["evidence"])

		f.Severity, f.Resolved = findings.Attack, true
		d.Add(f)
		synctest.Wait()
		got = s.alerts(t)
		require.Len(t, got, 5)
		require.Equal(t, got[0][0].Labels, got[4][0].Labels, "labels identify the alert, so they stay")
		require.True(t, got[4][0].EndsAt.Equal(time.Now()))
		time.Sleep(time.Hour)
		require.Len(t, s.alerts(t), 5, "nothing is sent after its end")
		require.Equal(t, alert.ReceiverStats{Name: "am", Type: "alertmanager", Sent: 2, Repeated: 3}, stats(d))
	})
}

// An alert that ends while it is sent again ends at once, not with the next repeat.
func TestAlertmanagerEndsInRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *alert.Dispatcher
		s := &server{}
		s.become(func(*http.Request) int {
			if s.tries == 2 {
				d.Add(finding("example.com", true))
			}
			return 200
		})
		d = managed(t, s)
		d.Add(finding("example.com", false))
		time.Sleep(90 * time.Second)
		got := s.alerts(t)
		require.Len(t, got, 3)
		require.True(t, got[2][0].EndsAt.Equal(time.Now().Add(-30*time.Second)))
		time.Sleep(time.Hour)
		require.Len(t, s.alerts(t), 3)
	})
}

// During an outage, alerts that last wait, and those that end too. An alert that fired and ended in
// the outage is shown for a minute, so that the Alertmanager notifies.
func TestAlertmanagerOutage(t *testing.T) {
	for name, status := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: always(status)}
				d := managed(t, s)
				d.Add(finding("short.example", false))
				d.Add(finding("long.example", false))
				time.Sleep(time.Hour)
				d.Add(finding("short.example", true))
				time.Sleep(time.Hour)
				require.Empty(t, s.alerts(t))
				s.become(nil)
				begin := time.Now()
				time.Sleep(4 * time.Minute)
				ended := 0
				for i, list := range s.alerts(t) {
					for _, a := range list {
						switch resolved := !a.EndsAt.After(begin.Add(4 * time.Minute)); {
						case i == 0:
							require.False(t, resolved)
						case a.Labels["subject"] == "short.example":
							require.True(t, resolved)
							ended++
						}
					}
				}
				require.Len(t, s.alerts(t)[0], 2)
				require.Equal(t, 1, ended)

				s.become(always(status))
				d.Add(finding("long.example", true))
				time.Sleep(time.Hour)
				s.become(nil)
				time.Sleep(2 * time.Minute)
				before := len(s.alerts(t))
				require.EqualValues(t, 4, stats(d).Sent)
				time.Sleep(time.Hour)
				require.Len(t, s.alerts(t), before)
			})
		})
	}
}

// TestAlertmanagerContinued checks that the end of an alert, which waits after an outage, does not
// end a later alert with equal labels.
func TestAlertmanagerContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(503)}
		d := managed(t, s)
		first, second := finding("example.com", false), finding("example.com", false)
		d.Add(first)
		time.Sleep(time.Hour)
		first.Resolved = true
		d.Add(first)
		s.become(nil)
		for len(s.alerts(t)) == 0 {
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		second.Key = "second"
		d.Add(second)
		time.Sleep(10*time.Minute + time.Second) // between two repeats
		lists := s.alerts(t)
		for i := range lists {
			for _, a := range lists[i] {
				require.False(t, a.EndsAt.Before(lists[max(0, i-1)][0].EndsAt), "%d has ended: %v", i, a)
			}
		}
		second.Resolved = true
		d.Add(second)
		synctest.Wait()
		got := s.alerts(t)
		require.Len(t, got, len(lists)+1)
		require.Len(t, got[len(lists)], 1)
		require.True(t, got[len(lists)][0].EndsAt.Equal(time.Now()))
		time.Sleep(time.Hour)
		require.Len(t, s.alerts(t), len(got))
		require.Zero(t, stats(d).Pending)
		require.Zero(t, stats(d).Overflowed+stats(d).Expired+stats(d).Refused)
	})
}

// Many alerts go in few requests. One that is rejected does not take others with it.
func TestAlertmanagerBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(503)}
		d := managed(t, s)
		for i := range 100 {
			d.Add(finding(fmt.Sprintf("%d.example", i), false))
		}
		time.Sleep(time.Hour)
		s.become(func(r *http.Request) int {
			if r.ContentLength > 1000 {
				return 400 // as for a list with an invalid alert
			}
			return 200
		})
		time.Sleep(2 * time.Minute)
		require.EqualValues(t, 100, stats(d).Sent)
		require.Zero(t, stats(d).Refused)
	})
}
