package builtin

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// read reads the files. The client's certificate is read for every connection, so that a renewed
// one is used. It returns nil without options.
func (o *tlsOptions) read() (*tls.Config, error) {
	if *o == (tlsOptions{}) {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.NoVerify}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("netprobe: tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("netprobe: tls.ca_file '%s' holds no certificate", o.CA)
		}
	}
	if cert, key := o.Cert, o.Key; cert != "" {
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			return nil, fmt.Errorf("netprobe: tls.cert_file: %w", err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		}
	}
	return cfg, nil
}
