package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/alert"
	"visor/export/findings"
)

// server is a receiver without a network, so that it runs under synctest.
type server struct {
	mu      sync.Mutex
	answer  func(*http.Request) int // status; 0 is a failed connection, -1 no answer
	bodies  []string                // accepted
	tries   int
	headers []http.Header // of accepted requests
	later   string        // Retry-After of the answers
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	status := 200
	if s.answer != nil {
		status = s.answer(r)
	}
	switch {
	case status == 0:
		return nil, errors.New("connection refused")
	case status < 0:
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
		return nil, r.Context().Err()
	case status == 200:
		s.bodies, s.headers = append(s.bodies, string(body)), append(s.headers, r.Header)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Retry-After", s.later)
	w.WriteHeader(status)
	return w.Result(), nil
}

// become changes the behaviour of the server.
func (s *server) become(answer func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func always(status int) func(*http.Request) int { return func(*http.Request) int { return status } }

// events returns the accepted messages as "status subject", and checks that each key fires once,
// and resolves at most once after that.
func (s *server) events(t *testing.T) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := make(map[string]alert.Status)
	for _, body := range s.bodies {
		var m alert.Message
		require.NoError(t, json.Unmarshal([]byte(body), &m))
		require.Equal(t, map[alert.Status]alert.Status{alert.Fired: "", alert.Resolved: alert.Fired}[m.Status], state[m.Key], "order of %s", m.ID)
		state[m.Key] = m.Status
		out = append(out, string(m.Status)+" "+m.Findings[0].Subject)
	}
	return out
}

func finding(subject string, resolved bool) findings.Finding {
	return findings.Finding{
		Key: "random_labels/dns/" + subject + "/1", Kind: findings.RandomLabels, Severity: findings.Attack, Policy: "p", Module: "dns", Subject: subject,
		Since: time.Now().Add(-time.Minute), Until: time.Now(), Resolved: resolved, Text: "Random labels below " + subject + ".",
		Figures: []findings.Figure{{Name: "queries", Value: 10}}, Evidence: findings.Evidence{Clients: []findings.Part{{Name: "10.0.0.1", Count: 7, Share: 0.5}}},
	}
}

// start returns a Dispatcher with a webhook. The end of the test closes it.
func start(t *testing.T, s *server, change func(*alert.Config)) *alert.Dispatcher {
	cfg := alert.Config{
		Transport: s, CoolDown: -1, Receivers: map[string]alert.Receiver{"hook": {Type: alert.Webhook, URL: "http://hook.example"}},
	}
	if change != nil {
		change(&cfg)
	}
	d, err := alert.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = d.Close(ctx)
	})
	return d
}

func stats(d *alert.Dispatcher) alert.ReceiverStats { return d.Stats().Receivers[0] }

func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, secret := &server{}, filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(secret, []byte("0123456789abcdef\n"), 0o600))
		d := start(t, s, func(c *alert.Config) {
			c.Agent = "ns1"
			c.Receivers["hook"] = alert.Receiver{Type: alert.Webhook, URL: "http://hook.example", SecretFile: secret}
		})
		d.Add(finding("example.com", false))
		synctest.Wait()
		require.Equal(t, []string{"fired example.com"}, s.events(t))
		time.Sleep(time.Hour)
		d.Add(finding("example.com", true))
		synctest.Wait()
		require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))

		var m alert.Message
		require.NoError(t, json.Unmarshal([]byte(s.bodies[0]), &m))
		require.Equal(t, "ns1", m.Agent)
		require.Equal(t, map[string]string{"kind": "random_labels", "subject": "example.com"}, m.Labels)
		require.Equal(t, findings.Attack, m.Severity)
		require.Equal(t, "10.0.0.1", m.Findings[0].Evidence.Clients[0].Name)
		require.Equal(t, `"`+m.ID+`"`, s.headers[0].Get(alert.IDHeader))

		header, key := s.headers[1].Get(alert.SignatureHeader), []byte("0123456789abcdef")
		require.NoError(t, alert.Verify(key, header, []byte(s.bodies[1]), time.Now(), time.Minute))
		require.ErrorIs(t, alert.Verify(key, header, []byte(s.bodies[0]), time.Now(), time.Minute), alert.ErrSignature)
		require.ErrorIs(t, alert.Verify([]byte("another secret!!"), header, []byte(s.bodies[1]), time.Now(), time.Minute), alert.ErrSignature)
		require.ErrorIs(t, alert.Verify(key, header, []byte(s.bodies[1]), time.Now().Add(time.Hour), time.Minute), alert.ErrSignature)
		require.Equal(t, alert.ReceiverStats{Name: "hook", Type: "webhook", Sent: 2}, stats(d))
	})
}

// outages are what receivers do instead of an answer.
var outages = map[string]int{"connection refused": 0, "500": 500, "429": 429, "404": 404, "401": 401, "slow": -1}

// A receiver that is down from the start gets all messages when it returns, in order.
func TestDownAtStart(t *testing.T) {
	for name, status := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: always(status)}
				d := start(t, s, nil)
				for i, subject := range []string{"a.example", "b.example"} {
					d.Add(finding(subject, false))
					time.Sleep(time.Hour)
					if i == 0 {
						d.Add(finding(subject, true))
					}
				}
				time.Sleep(time.Hour)
				require.Empty(t, s.events(t))
				require.EqualValues(t, 3, stats(d).Pending)
				require.Greater(t, stats(d).Retries, uint64(100))
				require.Less(t, stats(d).Retries, uint64(400), "attempts have growing pauses")
				s.become(nil)
				time.Sleep(2 * time.Minute)
				require.Equal(t, []string{"fired a.example", "resolved a.example", "fired b.example"}, s.events(t))
				require.Zero(t, stats(d).Pending)
			})
		})
	}
}

// An outage in an episode delays the resolved message. Nothing follows it.
func TestDownInEpisode(t *testing.T) {
	for name, status := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				d := start(t, s, nil)
				d.Add(finding("example.com", false))
				synctest.Wait()
				s.become(always(status))
				d.Add(finding("example.com", true))
				time.Sleep(3 * time.Hour)
				require.Equal(t, []string{"fired example.com"}, s.events(t))
				s.become(nil)
				time.Sleep(2 * time.Minute)
				require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
				tries := s.tries
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				require.Equal(t, tries, s.tries, "nothing is sent after the resolved message")
			})
		})
	}
}

// A later episode of the same subject has another key.
func TestEpisodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, nil)
		for range 3 {
			d.Add(finding("example.com", false))
			d.Add(finding("example.com", true))
		}
		synctest.Wait()
		require.Len(t, s.events(t), 6)
	})
}

// What a receiver rejects for good is dropped with its end, and does not hold up others.
func TestRefused(t *testing.T) {
	for _, status := range []int{400, 413, 302, 307} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{answer: always(status)}
			d := start(t, s, nil)
			d.Add(finding("a.example", false))
			synctest.Wait()
			s.become(nil)
			d.Add(finding("a.example", true))
			d.Add(finding("b.example", false))
			time.Sleep(time.Hour)
			require.Equal(t, []string{"fired b.example"}, s.events(t), "a receiver that did not get the begin does not get the end")
			require.EqualValues(t, 1, stats(d).Refused)
			require.Equal(t, 2, s.tries, "redirects are not followed")
		})
	}
}

// The queue is bounded in bytes and in time. What leaves it is counted.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(0)}
		d := start(t, s, func(c *alert.Config) { c.Pending = 20_000 })
		const all = 500
		for i := range all {
			d.Add(finding(strings.Repeat("x", i%50)+string(rune('a'+i%26))+time.Duration(i).String(), false))
		}
		synctest.Wait()
		st := stats(d)
		require.EqualValues(t, all, st.Overflowed+st.Pending)
		require.Greater(t, st.Pending, uint64(5))
		require.Less(t, st.Pending, uint64(30))
		time.Sleep(25 * time.Hour)
		st = stats(d)
		require.EqualValues(t, all, st.Overflowed+st.Expired)
		require.Zero(t, st.Pending)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, nil)
		for i := range 1500 {
			d.Add(finding(time.Duration(i).String(), false))
		}
		require.EqualValues(t, 1500-1024, d.Stats().Dropped)
		for i := range 1500 {
			d.Add(finding(time.Duration(i).String(), true))
		}
		synctest.Wait()
		require.Len(t, s.events(t), 2*1024, "what was dropped is not resolved")
	})
}

// Add returns at once even if the receiver never answers.
func TestAddNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, &server{answer: always(-1)}, nil)
		begin := time.Now()
		for i := range 100 {
			d.Add(finding(time.Duration(i).String(), false))
			time.Sleep(0)
		}
		require.Equal(t, begin, time.Now())
	})
}

// Findings with equal labels are one alert, from the first to the last.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, nil)
		one, two := finding("example.com", false), finding("example.com", false)
		two.Key, two.Policy = "other", "q"
		d.Add(one)
		d.Add(two)
		one.Resolved, two.Resolved = true, true
		d.Add(one)
		synctest.Wait()
		require.Equal(t, []string{"fired example.com"}, s.events(t))
		d.Add(two)
		synctest.Wait()
		require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
		var m alert.Message
		require.NoError(t, json.Unmarshal([]byte(s.bodies[1]), &m))
		require.Len(t, m.Findings, 2)
	})
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, func(c *alert.Config) { c.GroupBy = []string{"policy", "kind", "subject"} })
		one, two := finding("example.com", false), finding("example.com", false)
		two.Key, two.Policy = "other", "q"
		d.Add(one)
		d.Add(two)
		synctest.Wait()
		require.Len(t, s.events(t), 2)
	})
}

// An alert stays open for ResolveAfter. If it fires again meanwhile, its episode continues.
func TestResolveAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, func(c *alert.Config) { c.ResolveAfter = 10 * time.Minute })
		for range 5 {
			d.Add(finding("example.com", false))
			time.Sleep(time.Minute)
			d.Add(finding("example.com", true))
			time.Sleep(9 * time.Minute)
		}
		require.Equal(t, []string{"fired example.com"}, s.events(t))
		time.Sleep(time.Minute + time.Second)
		require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
	})
}

// TestReplaced checks that an alert goes on while policies replace one another, and is resolved if
// the last one does not find it again.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, func(c *alert.Config) { c.ResolveAfter = time.Minute })
		for i := range 3 {
			f := finding("example.com", false)
			f.Key += fmt.Sprint(i)
			d.Add(f)
			time.Sleep(10 * time.Minute)
			f.Resolved, f.Ended, f.Replaced = true, true, true
			d.Add(f)
			time.Sleep(2 * time.Minute)
		}
		require.Equal(t, []string{"fired example.com"}, s.events(t))
		time.Sleep(3*time.Minute + time.Second)
		require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
	})
}

// After an alert was resolved, a new one waits for the end of the cool-down.
func TestCoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, func(c *alert.Config) { c.CoolDown = 10 * time.Minute })
		d.Add(finding("example.com", false))
		d.Add(finding("example.com", true))
		time.Sleep(time.Minute)
		d.Add(finding("example.com", false))
		d.Add(finding("example.com", true))
		require.EqualValues(t, 1, d.Stats().Cooled, "it was over before the end of the cool-down")
		time.Sleep(time.Minute)
		d.Add(finding("example.com", false))
		d.Add(finding("other.example", false))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"fired example.com", "resolved example.com", "fired other.example"}, s.events(t))
		time.Sleep(7*time.Minute + time.Second)
		require.Equal(t, []string{"fired example.com", "resolved example.com", "fired other.example", "fired example.com"}, s.events(t))
	})
}

// A silence holds alerts back, until it ends.
func TestSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, now := &server{}, time.Now()
		d := start(t, s, func(c *alert.Config) {
			c.Silences = map[string]alert.Silence{
				"zone": {Subject: "*.example.com"}, "night": {Kind: "random_*", Subject: "example.org", From: now.Add(-time.Hour), Until: now.Add(time.Hour)},
			}
		})
		for _, subject := range []string{"a.example.com", "example.com", "example.org"} {
			d.Add(finding(subject, false))
		}
		synctest.Wait()
		require.Equal(t, []string{"fired example.com"}, s.events(t))
		d.Add(finding("a.example.com", true))
		require.EqualValues(t, 1, d.Stats().Silenced)
		time.Sleep(time.Hour + 10*time.Second)
		require.Equal(t, []string{"fired example.com", "fired example.org"}, s.events(t))

		cfg := alert.Config{Silences: map[string]alert.Silence{"all": {}}, Receivers: map[string]alert.Receiver{"hook": {Type: alert.Webhook, URL: "http://hook.example"}}}
		others, err := d.Reload(cfg)
		require.NoError(t, err)
		require.False(t, others)
		d.Add(finding("example.net", false))
		d.Add(finding("example.com", true))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"fired example.com", "fired example.org", "resolved example.com"}, s.events(t), "what had fired is resolved in a silence")
	})
}

// Values that can never have an effect are errors.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		want string
		cfg  alert.Config
	}{
		{`no kind of finding is "spike". Kinds are: random_labels, `, alert.Config{Silences: map[string]alert.Silence{"s": {Kind: "spike"}}}},
		{"neither ? nor #", alert.Config{Receivers: map[string]alert.Receiver{"r": {Type: alert.Alertmanager, URL: "http://localhost:9093/?team=a"}}}},
		{"", alert.Config{Silences: map[string]alert.Silence{"s": {Kind: "volume_*"}, "all": {}}}},
		{"", alert.Config{Receivers: map[string]alert.Receiver{"r": {Type: alert.Webhook, URL: "http://localhost/?team=a"}}}},
	} {
		_, err := alert.New(c.cfg)
		if c.want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, c.want)
	}
}

// Findings below the least severity cause no alert, until they become more severe.
func TestSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		d := start(t, s, func(c *alert.Config) { c.MinSeverity = findings.Attack })
		f := finding("example.com", false)
		f.Severity = findings.Warning
		d.Add(f)
		synctest.Wait()
		require.Empty(t, s.events(t))
		require.EqualValues(t, 1, d.Stats().Below)
		d.Add(finding("example.com", false))
		d.Add(finding("example.com", false))
		d.Add(finding("example.com", true))
		synctest.Wait()
		require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
	})
}

// Close sends what is pending, within the time of its context.
func TestClose(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(*http.Request) int
		sent   int
		lost   string
	}{
		"receiver is up": {nil, 2, ""}, "receiver is down": {always(0), 0, "2 messages for hook"}, "receiver is slow": {always(-1), 0, "2 messages for hook"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: always(503)}
				d := start(t, s, func(c *alert.Config) { c.ResolveAfter = time.Hour })
				d.Add(finding("example.com", false))
				time.Sleep(10 * time.Minute)
				s.become(tt.answer)
				d.Add(finding("example.com", true))
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				err := d.Close(ctx)
				require.Len(t, s.events(t), tt.sent)
				if tt.lost == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.lost)
				}
				require.LessOrEqual(t, time.Since(begin), 5*time.Second)
				d.Add(finding("later.example", false))
			})
		})
	}
}

// The next attempt waits as long as the receiver asks, but not longer than a minute.
func TestRetryAfter(t *testing.T) {
	for later, want := range map[string]time.Duration{
		"30": 30 * time.Second, "3600": time.Minute, "Sat, 01 Jan 2000 00:00:30 GMT": 30 * time.Second, "Sat, 01 Jan 2000 01:00:00 GMT": time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01
			s := &server{answer: always(503), later: later}
			d := start(t, s, nil)
			d.Add(finding("example.com", false))
			synctest.Wait()
			s.become(nil)
			time.Sleep(want - time.Second)
			synctest.Wait()
			require.Empty(t, s.events(t), later)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Equal(t, []string{"fired example.com"}, s.events(t), later)
		})
	}
}

// Long answers are not read completely.
func TestBoundedAnswer(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	d := start(t, nil, func(c *alert.Config) {
		c.Transport = nil
		c.Receivers["hook"] = alert.Receiver{Type: alert.Webhook, URL: endless.URL}
	})
	d.Add(finding("example.com", false))
	require.NoError(t, d.Close(t.Context()))
	require.EqualValues(t, 1, stats(d).Sent)
}
