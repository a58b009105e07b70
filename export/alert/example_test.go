package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"visor/export/alert"
	"visor/export/findings"
)

// A webhook gets a message when an alert fires, and another one when it is resolved. In a program,
// findings come from policy.ManagerConfig.Found or from a findings.Watcher.
func ExampleNew() {
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		var m alert.Message
		if err != nil || json.Unmarshal(body, &m) != nil {
			http.Error(w, "not a message", http.StatusBadRequest)
			return
		}
		fmt.Println(m.Status, m.Severity, m.Text)
	}))
	defer hook.Close()

	d, err := alert.New(alert.Config{Receivers: map[string]alert.Receiver{"oncall": {Type: alert.Webhook, URL: hook.URL}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := findings.Finding{
		Key: "scan/net/192.0.2.1/1", Kind: findings.Scan, Severity: findings.Attack, Module: "net", Subject: "192.0.2.1",
		Since: time.Now().Add(-time.Minute), Until: time.Now(), Text: "Scan of ports, 192.0.2.1.",
	}
	d.Add(f)
	f.Resolved = true
	d.Add(f)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// fired attack Scan of ports, 192.0.2.1.
	// resolved attack Scan of ports, 192.0.2.1.
}
