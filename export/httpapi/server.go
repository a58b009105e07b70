package httpapi

import (
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
