package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// client sends requests to an agent.
type client struct {
	base  string
	http  http.Client
	token string
}

func newClient(o options) (*client, error) {
	c := &client{base: "http://" + net.JoinHostPort(o.host, strconv.Itoa(int(o.port))), http: http.Client{Timeout: 5 * time.Second}}
	if o.tokenFile != "" {
		b, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, err
		}
		c.token = strings.TrimSpace(string(b))
	}
	if !o.tls {
		return c, nil
	}
	cfg, err := tlsConfig(o)
	c.base = strings.Replace(c.base, "http:", "https:", 1)
	c.http.Transport = &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	return c, err
}

func tlsConfig(o options) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.noVerify}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
			cfg.RootCAs = x509.NewCertPool()
		}
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", o.ca)
		}
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// refusal is an answer with an error status.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// maxAnswer is the maximum size of an answer in bytes.
const maxAnswer = 64 << 20

// do sends a request, and decodes the answer into out if that is not nil.
func (c *client) do(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return refused(resp, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func refused(resp *http.Response, answer []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Error == "" {
		said.Error = resp.Status
		if strings.Contains(string(answer), "HTTPS server") { // the text that Go servers send
			said.Error += ": the agent is an HTTPS server"
		}
	}
	return &refusal{resp.StatusCode, said.Error}
}

// serverVersion returns the version of the agent.
func (c *client) serverVersion(ctx context.Context) (string, error) {
	var answer struct{ App struct{ Version string } }
	err := c.do(ctx, http.MethodGet, "/api/v1/metrics/app", nil, &answer)
	return answer.App.Version, err
}

// policies returns the names of all policies, without the policies of resources.
func (c *client) policies(ctx context.Context) (names []string, err error) {
	var all map[string]json.RawMessage
	if err := c.do(ctx, http.MethodGet, "/api/v1/policies", nil, &all); err != nil {
		return nil, err
	}
	for name := range all {
		if !strings.HasSuffix(name, "-resources") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// policyInfo holds the parts of a policy that are needed to create a similar one.
type policyInfo struct {
	Taps      map[string]tapInfo `json:"taps"`
	Anonymize map[string]any     `json:"anonymize"`
	Input     map[string]struct {
		Module struct {
			Config map[string]any `json:"config"`
		} `json:"module"`
	} `json:"input"`
}

// tapInfo describes a tap.
type tapInfo struct {
	InputType string         `json:"input_type"`
	Anonymize map[string]any `json:"anonymize"`
}

func (c *client) policy(ctx context.Context, name string) (policyInfo, error) {
	var all map[string]policyInfo
	err := c.do(ctx, http.MethodGet, "/api/v1/policies/"+url.PathEscape(name), nil, &all)
	return all[name], err
}

var allowedPeriods = regexp.MustCompile(`invalid metrics period, specify \[(\d+), (\d+)\]`)

// summary returns the counts of a policy in a period.
func (c *client) summary(ctx context.Context, policy string, p period) (*summary, error) {
	metrics := make(map[string]map[string]map[string]node)
	base := "/api/v1/policies/" + url.PathEscape(policy) + "/metrics/"
	err := c.do(ctx, http.MethodGet, base+p.path, nil, &metrics)
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusTooEarly {
		// the policy keeps fewer periods, or has not reached them yet
		path := "bucket/0"
		if m := allowedPeriods.FindStringSubmatch(r.text); m != nil && p == periods[len(periods)-1] && m[2] > "1" {
			path = "window/" + m[2]
		}
		err = c.do(ctx, http.MethodGet, base+path, nil, &metrics)
	}
	if err != nil {
		return nil, err
	}
	return newSummary(metrics[policy]), nil
}

// create creates a policy from a JSON document.
func (c *client) create(ctx context.Context, document []byte) error {
	return c.do(ctx, http.MethodPost, "/api/v1/policies", document, nil)
}

func (c *client) remove(ctx context.Context, policy string) error {
	return c.do(ctx, http.MethodDelete, "/api/v1/policies/"+url.PathEscape(policy), nil, nil)
}
