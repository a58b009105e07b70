package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/alert"
	"visor/export/findings"
)

// run is one life of a Dispatcher. Its state file is shared.
func run(t *testing.T, s *server, file string, change func(*alert.Config), life func(*alert.Dispatcher)) {
	d := start(t, s, func(c *alert.Config) {
		c.StateFile, c.CoolDown = file, 10*time.Minute
		if change != nil {
			change(c)
		}
	})
	life(d)
}

// end ends a Dispatcher as a program does whose policies end with it.
func end(t *testing.T, d *alert.Dispatcher, lasting ...string) {
	d.Suspend()
	for _, subject := range lasting {
		f := finding(subject, true)
		f.Ended = true
		d.Add(f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = d.Close(ctx)
}

// again returns a finding of a new process about the same subject. It has another key.
func again(subject string, resolved bool) findings.Finding {
	f := finding(subject, resolved)
	f.Key += "1"
	return f
}

// An alert that lasts before a restart goes on after it, if its finding returns. Otherwise it is
// resolved. It does not fire again.
func TestRestart(t *testing.T) {
	for name, returns := range map[string]bool{"the finding returns": true, "the finding does not return": false} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "alerts.json")
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				run(t, s, file, nil, func(d *alert.Dispatcher) {
					d.Add(finding("example.com", false))
					synctest.Wait()
					end(t, d, "example.com")
				})
				require.Equal(t, []string{"fired example.com"}, s.events(t), "the end of the process resolves nothing")
				info, err := os.Stat(file)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
				time.Sleep(30 * time.Second)
				run(t, s, file, nil, func(d *alert.Dispatcher) {
					require.EqualValues(t, 1, d.Stats().Open)
					time.Sleep(2 * time.Minute)
					if returns {
						d.Add(again("example.com", false))
						time.Sleep(time.Hour)
						require.Equal(t, []string{"fired example.com"}, s.events(t))
						d.Add(again("example.com", true))
						synctest.Wait()
					}
					time.Sleep(4 * time.Minute)
					require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
					end(t, d)
				})
			})
		})
	}
}

// A process that is killed has written its state before the receiver got the alert.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alerts.json")
	synctest.Test(t, func(t *testing.T) {
		var before []byte
		s := &server{answer: func(*http.Request) int {
			if before == nil {
				before, _ = os.ReadFile(file)
			}
			return 200
		}}
		run(t, s, file, nil, func(d *alert.Dispatcher) {
			d.Add(finding("example.com", false))
			synctest.Wait()
			end(t, d, "example.com")
		})
		require.NotEmpty(t, before)
		require.NoError(t, os.WriteFile(file, before, 0o600)) // killed before the answer
		run(t, s, file, nil, func(d *alert.Dispatcher) {
			d.Add(again("example.com", false))
			time.Sleep(time.Minute)
			end(t, d, "example.com")
		})
		require.Len(t, s.bodies, 2)
		require.Equal(t, s.bodies[0], s.bodies[1], "the receiver recognizes it by its ID")
	})
}

// Messages that wait for a receiver, and cool-downs, survive a restart.
func TestPendingAcrossRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alerts.json")
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(503)}
		run(t, s, file, nil, func(d *alert.Dispatcher) {
			d.Add(finding("example.com", false))
			d.Add(finding("example.com", true))
			time.Sleep(time.Minute)
			end(t, d)
		})
		s.become(nil)
		run(t, s, file, nil, func(d *alert.Dispatcher) {
			d.Add(again("example.com", false)) // in the cool-down
			time.Sleep(time.Minute)
			require.Equal(t, []string{"fired example.com", "resolved example.com"}, s.events(t))
			require.Zero(t, stats(d).Pending)
			time.Sleep(8*time.Minute + time.Second)
			require.Equal(t, []string{"fired example.com", "resolved example.com", "fired example.com"}, s.events(t))
			end(t, d, "example.com")
		})
		run(t, s, file, nil, func(d *alert.Dispatcher) { // the policy is removed
			d.Add(again("example.com", false))
			d.Add(again("example.com", true))
			synctest.Wait()
			end(t, d)
		})
		require.Len(t, s.events(t), 4)
	})
}

// An Alertmanager gets an alert that lasts again after a restart, with the same labels and start.
func TestRestartOfAlertmanagerClient(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alerts.json")
	toManager := func(c *alert.Config) {
		c.Receivers = map[string]alert.Receiver{"hook": {Type: alert.Alertmanager, URL: "http://manager.example"}}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		run(t, s, file, toManager, func(d *alert.Dispatcher) {
			d.Add(finding("example.com", false))
			synctest.Wait()
			end(t, d, "example.com")
		})
		run(t, s, file, toManager, func(d *alert.Dispatcher) {
			time.Sleep(10 * time.Minute)
			end(t, d)
		})
		require.Greater(t, len(s.bodies), 4)
		var first, last []struct {
			Labels           map[string]string
			StartsAt, EndsAt time.Time
		}
		require.NoError(t, json.Unmarshal([]byte(s.bodies[0]), &first))
		require.NoError(t, json.Unmarshal([]byte(s.bodies[len(s.bodies)-1]), &last))
		require.Equal(t, first[0].Labels, last[0].Labels)
		require.Equal(t, first[0].StartsAt, last[0].StartsAt)
		require.False(t, last[0].EndsAt.After(time.Now()), "it is resolved")
	})
}

// A damaged state file is a line in the log. What it lacks is lost, and all else works.
func TestDamagedState(t *testing.T) {
	good := filepath.Join(t.TempDir(), "alerts.json")
	synctest.Test(t, func(t *testing.T) {
		run(t, &server{}, good, nil, func(d *alert.Dispatcher) {
			d.Add(finding("example.com", false))
			synctest.Wait()
			end(t, d, "example.com")
		})
	})
	data, err := os.ReadFile(good)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		content string
		logged  string
	}{
		"cut":             {string(data[:len(data)/2]), "lost"},
		"other version":   {strings.Replace(string(data), `"version":1`, `"version":2`, 1), "version 2"},
		"empty":           {"", "lost"},
		"null":            {"null", "version 0"},
		"without texts":   {strings.Replace(string(data), `"messages":`, `"other":`, 1), ""},
		"without content": {`{"version":1,"groups":[{"episode":"x"},{}],"entries":{"hook":[{},{"key":"y","fired":"z"}]},"messages":{"z":null}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "alerts.json")
			require.NoError(t, os.WriteFile(file, []byte(tt.content), 0o600))
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := &server{}
				run(t, s, file, func(c *alert.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, func(d *alert.Dispatcher) {
					d.Add(finding("other.example", false))
					synctest.Wait()
					require.Contains(t, s.events(t), "fired other.example")
					end(t, d)
				})
				require.Contains(t, log.String(), tt.logged)
				require.Equal(t, tt.logged != "", strings.Contains(log.String(), "level=ERROR"), log.String())
			})
		})
	}
}

// A state file that cannot be written does not hold alerts back.
func TestStateWithoutDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &server{}
		logged := func(c *alert.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }
		run(t, s, filepath.Join(t.TempDir(), "none", "alerts.json"), logged, func(d *alert.Dispatcher) {
			d.Add(finding("example.com", false))
			time.Sleep(time.Hour)
			d.Add(finding("example.com", true))
			synctest.Wait()
			require.Len(t, s.events(t), 2)
			end(t, d)
		})
		require.Equal(t, 1, strings.Count(log.String(), "do not survive"), log.String())
	})
}
