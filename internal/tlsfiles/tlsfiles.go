// Package tlsfiles builds the TLS configuration of a server from files.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	"visor/internal/renewed"
)

// Files are files in PEM form.
type Files struct {
	Cert, Key string // of the server, with intermediate certificates
	ClientCA  string // if set, clients must have a certificate signed by one of these
}

// Certificates serve TLS from files. They are safe for concurrent use.
type Certificates struct {
	pair *renewed.Value[*tls.Certificate]
	ca   *renewed.Value[*x509.CertPool] // nil without a ClientCA
}

// New returns the certificates of files, or an error. When a file changes, the next connection uses
// its new content. While that is invalid, connections use the former content, and an error is
// logged; a nil log discards it. A nil read is os.ReadFile.
func New(files Files, read renewed.Reader, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{}
	var err error
	if c.pair, err = renewed.New(log, read, parsePair, files.Cert, files.Key); err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %w", err)
	}
	if files.ClientCA == "" {
		return c, nil
	}
	if c.ca, err = renewed.New(log, read, parsePool, files.ClientCA); err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %s: %w", files.ClientCA, err)
	}
	return c, nil
}

func parsePair(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	return &pair, err
}

func parsePool(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("it holds no certificate")
	}
	return pool, nil
}

// Config returns the configuration of a server.
func (c *Certificates) Config() *tls.Config {
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Current(), nil },
	}
	if c.ca == nil {
		return cfg
	}
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, c.ca.Current()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		own := cfg.Clone()
		own.GetConfigForClient, own.ClientCAs = nil, c.ca.Current()
		return own, nil
	}
	return cfg
}

// Failures returns how many renewals have failed.
func (c *Certificates) Failures() uint64 {
	n := c.pair.Failures()
	if c.ca != nil {
		n += c.ca.Failures()
	}
	return n
}
