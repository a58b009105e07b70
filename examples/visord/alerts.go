package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"visor/export/alert"
	"visor/export/httpapi"
	"visor/handler/policy"
)

// alertDrain is how long the last alerts may take at the end.
const alertDrain = 5 * time.Second

// alertConfig returns the configuration of alerts in a document.
func (a *agent) alertConfig(doc *policy.Document) (alert.Config, error) {
	cfg, err := alert.Read(doc.Own["alerts"])
	cfg.Agent, cfg.Logger = a.origin().Agent, a.log
	if dir := cmp.Or(a.o.historyDirectory(), a.o.stateDirectory()); dir != "" {
		cfg.StateFile = filepath.Join(dir, alertsFile)
	}
	return cfg, err
}

// alertsFile is the name of the file of alerts that last, in the directory of the history or of the
// state.
const alertsFile = "alerts.json"

// openAlerts starts sending alerts if the configuration file has receivers.
func (a *agent) openAlerts() error {
	cfg, err := a.alertConfig(a.o.doc)
	if err != nil || len(cfg.Receivers) == 0 {
		return err
	}
	for name, r := range cfg.Receivers {
		a.warnReadable(r.SecretFile)
		a.warnReadable(r.TokenFile)
		a.log.Info(fmt.Sprintf("alerts are sent to %s [%s]", r.Type, name))
	}
	if cfg.StateFile != "" {
		if err := os.MkdirAll(filepath.Dir(cfg.StateFile), 0o700); err != nil {
			a.log.Warn("alerts do not survive a restart", "error", err)
		}
	}
	a.alerts, err = alert.New(cfg)
	return err
}

// suspendAlerts has alerts outlive the policies, which end with the process.
func (a *agent) suspendAlerts() {
	if a.alerts != nil {
		a.alerts.Suspend()
	}
}

// closeAlerts sends what is pending. It runs after all policies have ended.
func (a *agent) closeAlerts() {
	if a.alerts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), alertDrain)
	defer cancel()
	if err := a.alerts.Close(ctx); err != nil {
		a.log.Warn(err.Error()) // an unreachable receiver is not a failure of visord
	}
}

// reloadAlerts applies a changed configuration of alerts, except receivers.
func (a *agent) reloadAlerts(doc *policy.Document) {
	cfg, err := a.alertConfig(doc)
	others := len(cfg.Receivers) > 0
	if a.alerts != nil && err == nil {
		others, err = a.alerts.Reload(cfg)
	}
	if err != nil {
		a.log.Error("alerts are not reloaded", "error", err)
	}
	if others {
		a.log.Warn("visor.alerts has changed receivers or group_by: that needs a restart")
	}
}

// alertStats returns the counts of alerts for the API, or nil without alerts.
func (a *agent) alertStats(cfg *httpapi.Config) {
	if a.alerts != nil {
		cfg.Alerts = a.alerts.Stats
	}
}

// warnReadable warns about a secret that all users can read.
func (a *agent) warnReadable(file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 && runtime.GOOS != "windows" {
		a.log.Warn(fmt.Sprintf("all users of this machine can read %s: chmod o-r", file))
	}
}
