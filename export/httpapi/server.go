package httpapi

import (
	"log/slog"
	"net/http"
	"time"

	"visor/internal/renewed"
	"visor/internal/tlsfiles"
)

// NewServer returns a server for h at pktvisor's address, localhost:10853, with timeouts against
// slow clients. The header of a request must arrive within 10 seconds and the body within 30; the
// client must accept the answer within 60. The caller may change all of these, and closes the
// server. If h is an API, Shutdown drains it.
func NewServer(h http.Handler) *http.Server {
	s := &http.Server{
		Addr: "localhost:10853", Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	if a, ok := h.(*API); ok {
		s.RegisterOnShutdown(a.Drain)
	}
	return s
}

// TLSFiles names files in PEM format:
//
//	struct {
//		Cert, Key string // of the server, with intermediate certificates
//		ClientCA  string // if set, clients must have a certificate signed by one of these
//	}
type TLSFiles = tlsfiles.Files

// Certificates serve TLS from files. They are safe for concurrent use. The method Config returns a
// *tls.Config for [http.Server].TLSConfig, and Failures the number of renewals that failed.
type Certificates = tlsfiles.Certificates

// FileReader is a func(path string) ([]byte, error) that reads a file. nil means [os.ReadFile].
type FileReader = renewed.Reader

// NewCertificates returns the certificates of files, or an error if they are invalid. If a file
// changes, the next connection uses the new contents. If these are invalid, connections keep using
// the previous ones and an error is logged; a nil log disables logging.
func NewCertificates(files TLSFiles, read FileReader, log *slog.Logger) (*Certificates, error) {
	return tlsfiles.New(files, read, log)
}
