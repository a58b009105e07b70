package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"visor/handler"
)

// agent is a visor agent whose API is asked.
type agent struct {
	url      string
	token    string
	policies []string // all if empty
}

// errEarly is the error of a policy that has no closed period yet.
var errEarly = errors.New("no period has ended yet")

// maxAnswer bounds the bytes of an answer, and of a snapshot after decompression.
const maxAnswer = 256 << 20

var client = &http.Client{Timeout: 10 * time.Second}

// parseAgent reads AGENT[=POLICY,...]. A URL may contain "=" only in its query, which it lacks.
func parseAgent(arg, token string) (agent, error) {
	address, policies, _ := strings.Cut(arg, "=")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return agent{}, fmt.Errorf("%s: must be the URL of an agent, as http://ns1:10853", arg)
	}
	a := agent{url: strings.TrimRight(address, "/"), token: token}
	if policies != "" {
		a.policies = strings.Split(policies, ",")
	}
	return a, nil
}

// names returns the policies to write.
func (a *agent) names(ctx context.Context) ([]string, error) {
	if len(a.policies) > 0 {
		return a.policies, nil
	}
	body, err := a.get(ctx, "/api/v1/policies")
	if err != nil {
		return nil, err
	}
	var policies map[string]json.RawMessage
	if err := json.Unmarshal(body, &policies); err != nil {
		return nil, fmt.Errorf("GET /api/v1/policies: %w", err)
	}
	return slices.Sorted(maps.Keys(policies)), nil
}

// snapshot returns the last closed period of a policy.
func (a *agent) snapshot(ctx context.Context, policy string) (*handler.Snapshot, error) {
	body, err := a.get(ctx, "/api/v1/policies/"+url.PathEscape(policy)+"/snapshot")
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxAnswer), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	data, err := dec.DecodeAll(body, nil)
	if err != nil {
		return nil, err
	}
	return handler.ReadSnapshot(data)
}

// get returns the body of an answer.
func (a *agent) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return nil, err
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusTooEarly:
		return nil, errEarly
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	}
	return body, nil
}
