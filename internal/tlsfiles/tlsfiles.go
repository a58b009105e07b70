// Package tlsfiles makes the TLS configuration of a server from files.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// Files are files in PEM form.
type Files struct {
	Cert, Key string // of the server, with intermediate certificates
	ClientCA  string // if given, clients must have a certificate that one of these has signed
}

// Config returns a TLS configuration, or what is wrong with the files. When Cert or Key is written anew, the next connection gets it; as
// long as what is there cannot be used, connections get the former one.
func (f Files) Config() (*tls.Config, error) {
	k := &keyPair{files: f}
	if _, err := k.current(nil); err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %w", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.current}
	if f.ClientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("invalid TLS configuration: %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("invalid TLS configuration: %s holds no certificate", f.ClientCA)
	}
	return cfg, nil
}

// keyPair is a certificate with its key, as the files have it.
type keyPair struct {
	files Files

	mu     sync.Mutex
	stamps [2]time.Time
	cert   *tls.Certificate
}

// current returns the certificate, read anew if a file has changed.
func (k *keyPair) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamps, err := k.files.stamps()
	if err == nil && k.cert != nil && stamps == k.stamps {
		return k.cert, nil
	}
	if err == nil {
		var cert tls.Certificate
		if cert, err = tls.LoadX509KeyPair(k.files.Cert, k.files.Key); err == nil {
			k.cert, k.stamps = &cert, stamps
		}
	}
	if k.cert != nil {
		return k.cert, nil
	}
	return nil, err
}

// stamps returns when the files were written.
func (f Files) stamps() (out [2]time.Time, err error) {
	for i, name := range []string{f.Cert, f.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return out, err
		}
		out[i] = info.ModTime()
	}
	return out, nil
}
