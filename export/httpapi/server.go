package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"visor/internal/tlsfiles"
)

// NewServer returns a server of h that slow and silent clients cannot hold: a request's header must come within 10 seconds, all of it
// within 30, an answer be taken within 60. The caller may change all of that, and closes it.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
}

// TLSFiles are files in PEM form.
type TLSFiles = tlsfiles.Files

// Certificates serve TLS from files. They are safe for concurrent use.
type Certificates struct {
	files TLSFiles
	pair  *renewed[*tls.Certificate]
	ca    *renewed[*x509.CertPool] // nil without a ClientCA
}

// NewCertificates returns the certificates of files, or what is wrong with them. When a file changes, the next connection gets what it
// holds. As long as that cannot be used, connections get what was there before, and log has an error; nil is silence.
func NewCertificates(files TLSFiles, read FileReader, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{files: files}
	var err error
	if c.pair, err = newRenewed(read, parsePair, files.Cert, files.Key); err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %w", err)
	}
	c.pair.log = log
	if files.ClientCA == "" {
		return c, nil
	}
	if c.ca, err = newRenewed(read, parsePool, files.ClientCA); err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %s: %w", files.ClientCA, err)
	}
	c.ca.log = log
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
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.current(), nil },
	}
	if c.ca == nil {
		return cfg
	}
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, c.ca.current()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		own := cfg.Clone()
		own.GetConfigForClient, own.ClientCAs = nil, c.ca.current()
		return own, nil
	}
	return cfg
}

// Failures returns how many renewals have failed.
func (c *Certificates) Failures() uint64 {
	n, _ := c.pair.failing()
	if c.ca != nil {
		more, _ := c.ca.failing()
		n += more
	}
	return n
}
