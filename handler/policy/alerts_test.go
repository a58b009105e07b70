package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/export/alert"
	"visor/handler/policy/builtin"
)

// withAlerts is a configuration file with a section alerts.
func withAlerts(section string) string {
	return fmt.Sprintf(`version: "1.0"
visor:
  alerts: %s
  taps: {t: {input_type: pcap, config: {iface: eth0}}}
`, section)
}

const alertSection = `{min_severity: attack, group_by: [policy, kind], resolve_after_secs: 60, cool_down_secs: 600,
    silences: {night: {subject: "*.example.com", from: 2026-12-01T06:00:00Z, until: 2026-12-02T06:00:00Z}},
    receivers: {hook: {type: webhook, url: "https://example.com/hook", secret_file: /etc/visor/secret}, am: {type: alertmanager, url: "http://localhost:9093"}}}`

func TestAlertSection(t *testing.T) {
	doc, err := builtin.Catalog().Parse([]byte(withAlerts(alertSection)))
	require.NoError(t, err)
	require.Empty(t, doc.Warnings)
	cfg, err := alert.Read(doc.Own["alerts"])
	require.NoError(t, err)
	begin := time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)
	require.Equal(t, alert.Config{
		MinSeverity: "attack", GroupBy: []string{"policy", "kind"}, ResolveAfter: time.Minute, CoolDown: 10 * time.Minute,
		Silences: map[string]alert.Silence{"night": {Subject: "*.example.com", From: begin, Until: begin.AddDate(0, 0, 1)}},
		Receivers: map[string]alert.Receiver{
			"hook": {Type: alert.Webhook, URL: "https://example.com/hook", SecretFile: "/etc/visor/secret"}, "am": {Type: alert.Alertmanager, URL: "http://localhost:9093"},
		},
	}, cfg)
	require.NoError(t, validate(t, schemaOf(t, "Configuration"), withAlerts(alertSection)))
}

// Each problem has its position.
func TestAlertSectionProblems(t *testing.T) {
	for section, want := range map[string]string{
		`{receivers: {hook: {type: webhook, ulr: "http://x"}}}`:                      "ulr is an invalid/unsupported config or filter",
		`{receivers: {hook: {type: webhook}}}`:                                       `receiver "hook": url must begin with http:// or https:// and a host (line 3, column 24)`,
		`{receivers: {hook: {type: webhook, url: "file:///etc/passwd"}}}`:            "url must begin with",
		`{receivers: {hook: {type: mail, url: "http://x"}}}`:                         `type has no value "mail"`,
		`{receivers: {am: {type: alertmanager, url: "http://x", secret_file: /x}}}`:  "secret_file is for webhooks",
		`{receivers: [http://x]}`:                                                    "wrong type for key: receivers",
		`{group_by: [domain]}`:                                                       `group_by has no value "domain"`,
		`{min_severity: critical}`:                                                   "min_severity",
		`{cool_down_secs: 100000}`:                                                   "cool_down_secs must be from 1 to 86400",
		`{silences: {s: {until: tomorrow}}}`:                                         "until",
		`{silences: {s: {from: 2026-12-02T06:00:00Z, until: 2026-12-01T06:00:00Z}}}`: "until must be after from",
		`{silences: {s: {subjekt: x}}}`:                                              "subjekt",
		`{recievers: {}}`:                                                            "did you mean 'receivers'?",
	} {
		_, err := builtin.Catalog().Parse([]byte(withAlerts(section)))
		require.ErrorContains(t, err, want, section)
	}
}

// Documents from the API cannot set the addresses of alerts.
func TestAlertSectionPosted(t *testing.T) {
	_, warnings, err := builtin.Catalog().ParseTap([]byte(withAlerts(alertSection)))
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0].Error(), "'alerts' has no effect here: only the configuration file of the agent may have it (line 3")
}
