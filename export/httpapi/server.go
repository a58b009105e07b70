package httpapi

import (
	"log/slog"
	"net/http"
	"time"

	"visor/internal/renewed"
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
type Certificates = tlsfiles.Certificates

// FileReader reads a file. nil is os.ReadFile.
type FileReader = renewed.Reader

// NewCertificates returns the certificates of files, or what is wrong with them. When a file changes, the next connection gets what it
// holds. As long as that cannot be used, connections get what was there before, and log has an error; nil is silence.
func NewCertificates(files TLSFiles, read FileReader, log *slog.Logger) (*Certificates, error) {
	return tlsfiles.New(files, read, log)
}
