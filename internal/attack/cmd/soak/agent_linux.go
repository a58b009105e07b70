package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

var client = http.Client{Timeout: 30 * time.Second}

// request sends a request to the agent and returns the answer's body.
func request(ctx context.Context, method, url, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-yaml")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s: %.200s", method, url, resp.Status, answer)
	}
	return answer, err
}

// browse requests all documents with 100 requests at a time, repeatedly.
func browse(ctx context.Context, agent string) {
	for ctx.Err() == nil {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { _, _ = request(ctx, "GET", agent+"/api/v1/policies/__all/metrics/window/5", "") })
		}
		all.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// churn adds and removes a policy.
func churn(ctx context.Context, agent string) {
	const passing = "visor: {policies: {passing: {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net}, dns: {type: dns}}}}}}"
	for ctx.Err() == nil {
		_, _ = request(ctx, "POST", agent+"/api/v1/policies", passing)
		_, _ = request(ctx, "DELETE", agent+"/api/v1/policies/passing", "")
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// clean is the ordinary traffic policy's count for a minute.
type clean struct {
	Period struct {
		Start  int64 `json:"start_ts"`
		Length int64 `json:"length"`
	} `json:"period"`
	Cardinality struct {
		QName uint64 `json:"qname"`
	} `json:"cardinality"`
	Top []struct {
		Name     string `json:"name"`
		Estimate uint64 `json:"estimate"`
	} `json:"top_qname3"`
	Wire struct {
		Queries uint64 `json:"queries"`
		Replies uint64 `json:"replies"`
	} `json:"wire_packets"`
	Xact struct {
		Counts struct {
			Total    uint64 `json:"total"`
			TimedOut uint64 `json:"timed_out"`
		} `json:"counts"`
	} `json:"xact"`
}

// lastMinute returns the last closed minute of the policy "clean".
func lastMinute(ctx context.Context, agent string) (clean, error) {
	body, err := request(ctx, "GET", agent+"/api/v1/policies/clean/metrics/bucket/1", "")
	if err != nil {
		return clean{}, err
	}
	var doc map[string]map[string]struct{ DNS clean }
	if err := json.Unmarshal(body, &doc); err != nil {
		return clean{}, err
	}
	for _, modules := range doc {
		for name, m := range modules {
			if strings.HasSuffix(name, "dns") {
				return m.DNS, nil
			}
		}
	}
	return clean{}, fmt.Errorf("the policy clean has no module dns: %.200s", body)
}
