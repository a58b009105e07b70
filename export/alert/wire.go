package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"visor/internal/retryafter"
)

// refusal is the error of a receiver that rejects a message for good.
type refusal struct{ error }

// later is the error of a receiver that states when to retry.
type later struct {
	error
	after time.Duration
}

// newWire returns the wire of a receiver.
func newWire(cfg *Config, r *Receiver) (wire, error) {
	p, err := newPoster(cfg, r)
	if err != nil {
		return nil, err
	}
	if r.Type == Alertmanager {
		return newManager(cfg, p), nil
	}
	w := &webhook{poster: p}
	if r.SecretFile == "" {
		return w, nil
	}
	if w.secret, err = cfg.secret(r.SecretFile); err == nil && len(w.secret) < minSecret {
		err = fmt.Errorf("%s: the secret must have at least %d bytes", r.SecretFile, minSecret)
	}
	return w, err
}

// minSecret is the least number of bytes of a secret.
const minSecret = 16

// secret returns the content of a file without spaces around it.
func (c *Config) secret(file string) ([]byte, error) {
	read := c.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(file)
	return bytes.TrimSpace(data), err
}

// poster posts bodies to a URL.
type poster struct {
	client *http.Client
	url    string
	token  string
}

func newPoster(cfg *Config, r *Receiver) (*poster, error) {
	p := &poster{url: r.URL}
	if r.TokenFile != "" {
		token, err := cfg.secret(r.TokenFile)
		if err != nil {
			return nil, err
		}
		if p.token = string(token); p.token == "" || strings.ContainsAny(p.token, "\r\n") {
			return nil, fmt.Errorf("%s: it must have one line with a token", r.TokenFile)
		}
	}
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		data, err := cfg.secret(r.CAFile)
		if err != nil {
			return nil, err
		}
		if security.RootCAs = x509.NewCertPool(); !security.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s has no certificate", r.CAFile)
		}
	}
	p.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     cfg.Transport,
	}
	if cfg.Transport == nil {
		p.client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: security, IdleConnTimeout: 90 * time.Second, MaxIdleConns: 1,
			DialContext: (&net.Dialer{Timeout: cfg.Timeout}).DialContext, TLSHandshakeTimeout: cfg.Timeout,
			MaxResponseHeaderBytes: maxResponse, ForceAttemptHTTP2: true,
		}
	}
	return p, nil
}

// maxResponse is the number of bytes that are read of a response, and of its header.
const maxResponse = 64 << 10

// post posts a body in JSON once.
func (p *poster) post(ctx context.Context, body []byte, header map[string]string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return refusal{err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "visor")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	defer p.client.CloseIdleConnections() // alerts are rare
	resp, err := p.client.Do(req)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // without the URL, which may have a password
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return err // the receiver may not have accepted it completely
	}
	return verdict(resp, text)
}

// verdict returns the error of a response, or nil if the receiver has accepted the message.
func verdict(resp *http.Response, text []byte) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err := errors.New(resp.Status)
	if len(text) > 0 {
		err = fmt.Errorf("%s: %.200q", resp.Status, text)
	}
	if final(resp.StatusCode) {
		return refusal{err}
	}
	return later{err, retryafter.Delay(resp.Header)}
}

// final reports whether a later attempt would fail too. Wrong passwords and absent paths are mended
// at the receiver, and many are temporary, as during an update of the receiver.
func final(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	}
	return status >= 300 && status < 400
}
