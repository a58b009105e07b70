package policy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
)

func (p *probeInput) body() {
	p.cfg.Request.Body = p.Text("body")
	if p.has("body") && !slices.Contains([]string{"POST", "PUT", "PATCH"}, p.cfg.Request.Method) {
		p.missing("'body' requires http_method POST, PUT, or PATCH") // keys that a tap may have
	}
}

// tls checks the keys of TLS. The input reads their files when it starts.
func (p *probeInput) tls() {
	r := &Reader{opts: value[Options](&p.Reader, "tls")}
	r.Flag("verify")
	ca, cert, key := r.Text("ca_file"), r.Text("cert_file"), r.Text("key_file")
	switch {
	case r.err != nil:
		p.wrong("tls", "%w", r.err)
	case (cert == "") != (key == ""):
		p.wrong("tls", "tls.cert_file and tls.key_file must be set together")
	}
	for _, file := range []struct{ key, path string }{{"ca_file", ca}, {"cert_file", cert}, {"key_file", key}} {
		if _, err := os.Stat(file.path); err != nil && file.path != "" {
			p.missing("netprobe: tls.%s '%s' does not exist", file.key, file.path)
		}
	}
}

// proxy reads a proxy. Errors do not quote its value, which may hold a password.
func (p *probeInput) proxy() {
	p.cfg.Request.Proxy = p.Text("proxy")
	if proxy := p.cfg.Request.Proxy; p.has("proxy") && (strings.TrimSpace(proxy) == "" || strings.ContainsFunc(proxy, unicode.IsControl)) {
		p.wrong("proxy", "netprobe: 'proxy' value is invalid")
	}
}

// probeTLS reads the files of the key tls. The client's certificate is read for every connection,
// so that a renewed one is used.
func probeTLS(opts Options) (*tls.Config, error) {
	if opts == nil {
		return nil, nil
	}
	r := &Reader{opts: opts}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: opts["verify"] == false}
	if ca := r.Text("ca_file"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("netprobe: tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("netprobe: tls.ca_file '%s' holds no certificate", ca)
		}
	}
	if cert, key := r.Text("cert_file"), r.Text("key_file"); cert != "" {
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

// Redact returns the configuration of an input without possible secrets. It returns config itself
// if there are none.
func Redact(inputType string, config Options) Options {
	if inputType != "netprobe" {
		return config
	}
	out := maps.Clone(config)
	for _, key := range []string{"proxy", "body", "expected_body", "expected_body_regex", "not_contains", "json_equals", "body_not_matches_regex"} {
		if _, has := out[key]; has {
			out[key] = Redacted
		}
	}
	for _, key := range []string{"fail_if_header_matches", "fail_if_header_not_matches"} {
		if rules, ok := out[key].(Options); ok {
			out[key] = redactValues(rules)
		}
	}
	if targets, ok := out["targets"].(Options); ok {
		shown := Options{}
		for name, t := range targets {
			shown[name] = redactTarget(t)
		}
		out["targets"] = shown
	}
	return out
}

// redactTarget returns a target without the values of its headers, and without the user and
// password in its URL, which pktvisor shows.
func redactTarget(target any) any {
	t, ok := target.(Options)
	if !ok {
		return target
	}
	t = maps.Clone(t)
	if host, ok := t["target"].(string); ok {
		t["target"] = redactURL(host)
	}
	if headers, ok := t["headers"].(Options); ok {
		t["headers"] = redactValues(headers)
		t["header_names"] = slices.Sorted(maps.Keys(headers))
	}
	return t
}

func redactValues(o Options) Options {
	out := make(Options, len(o))
	for key := range o {
		out[key] = Redacted
	}
	return out
}

// redactURL replaces the user and password in a URL, even if it cannot be parsed.
func redactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text
	}
	if ok {
		scheme += "://"
	}
	return scheme + Redacted + rest[at:]
}
