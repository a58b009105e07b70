package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"visor/export/httpapi"
)

// listen creates the server and opens its port.
func (a *agent) listen(stop func()) (net.Listener, error) {
	cfg := httpapi.Config{
		Policies: a.manager, Admin: a.o.adminAPI, Strict: a.o.strict, Version: apiVersion(), Instance: a.o.instance,
		Origin: a.origin(), GreatestAsSum: a.o.sumIsMax, Profile: a.o.pprof, Logger: a.log, Stop: stop, History: a.history,
		Ready: func() error {
			if a.ending.Load() {
				return errors.New("about to end")
			}
			return a.manager.Down()
		},
	}
	if a.push != nil {
		cfg.Push = func() httpapi.Push { return httpapi.Push(a.push.Stats()) }
	}
	a.alertStats(&cfg)
	if err := a.secure(&cfg); err != nil {
		return nil, err
	}
	api, err := httpapi.New(cfg)
	if err != nil {
		return nil, err
	}
	a.server = httpapi.NewServer(api)
	a.server.ErrorLog = serverErrors(a.log)
	if cfg.Certificates != nil {
		a.server.TLSConfig = cfg.Certificates.Config()
	}
	address := a.address()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("unable to bind to %s: %w", address, err)
	}
	return l, nil
}

// address returns the address of the API.
func (a *agent) address() string { return net.JoinHostPort(a.o.host, strconv.Itoa(int(a.o.port))) }

// secure configures authentication and certificates. The files are read again when they change. If
// the process drops root, a helper process that stays root reads them.
func (a *agent) secure(cfg *httpapi.Config) (err error) {
	cfg.TokenFile, cfg.AnswerBytes = a.o.tokenFile, a.memory.answers
	cfg.Hosts = append(slices.Clone(a.o.allowHosts), a.o.host)
	if name, err := os.Hostname(); err == nil {
		cfg.Hosts = append(cfg.Hosts, name)
	}
	if a.o.user != "" {
		if cfg.ReadFile, err = a.files.start(a.o.tokenFile, a.o.files.Cert, a.o.files.Key, a.o.files.ClientCA); err != nil {
			return err
		}
	}
	a.warnReadable(a.o.tokenFile)
	if a.o.tokenFile != "" && !a.o.tls && !a.o.local() {
		a.log.Warn(fmt.Sprintf("the token crosses the network to %s in the clear: add --tls", cmp.Or(a.o.host, "all addresses")))
	}
	if a.o.tls {
		cfg.Certificates, err = httpapi.NewCertificates(a.o.files, cfg.ReadFile, a.log)
	}
	return err
}

func portOf(l net.Listener) string {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	return port
}
