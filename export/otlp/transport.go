package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"connectrpc.com/connect"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"visor/internal/retryafter"
)

type (
	request  = collector.ExportMetricsServiceRequest
	response = collector.ExportMetricsServiceResponse
)

// transport sends a request once.
type transport func(context.Context, *request) (*response, error)

// refusal is the error of a receiver that rejects a request for good.
type refusal struct{ error }

// later is the error of a receiver that states when to retry.
type later struct {
	error
	after time.Duration
}

// method is the path of the service
// (opentelemetry/proto/collector/metrics/v1/metrics_service.proto).
const method = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

// newTransport returns the transport for the endpoint of cfg.
func newTransport(cfg *Config) (transport, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("otlp: endpoint %q must be a URL, as http://localhost:4318 or grpc://localhost:4317", cfg.Endpoint)
	}
	secure := u.Scheme == "https" || u.Scheme == "grpcs"
	client := &http.Client{Transport: roundTripper(cfg, secure), CheckRedirect: keepsPost}
	switch u.Scheme {
	case "http", "https":
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/metrics"
		}
		return cfg.overHTTP(client, u), nil
	case "grpc", "grpcs":
		u.Scheme = map[bool]string{false: "http", true: "https"}[secure]
		u.Path = path.Join(u.Path, method)
		return cfg.overGRPC(client, u), nil
	}
	return nil, fmt.Errorf("otlp: endpoint %q: the scheme must be http, https, grpc or grpcs", cfg.Endpoint)
}

// roundTripper uses HTTP/2 for gRPC, and otherwise the protocol that the server offers.
func roundTripper(cfg *Config, secure bool) *http.Transport {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, IdleConnTimeout: 90 * time.Second, MaxIdleConns: 1,
		DialContext: (&net.Dialer{Timeout: cfg.Timeout}).DialContext, TLSHandshakeTimeout: cfg.Timeout, Protocols: &http.Protocols{},
	}
	grpc := strings.HasPrefix(cfg.Endpoint, "grpc")
	t.Protocols.SetHTTP1(!grpc)
	t.Protocols.SetHTTP2(secure)
	t.Protocols.SetUnencryptedHTTP2(grpc && !secure)
	return t
}

// keepsPost follows only redirects that repeat the request. After others, the answer to a GET of
// some page would look like an accepted request.
func keepsPost(next *http.Request, _ []*http.Request) error {
	if next.Method != http.MethodPost {
		return http.ErrUseLastResponse
	}
	return nil
}

func (cfg *Config) overHTTP(client *http.Client, u *url.URL) transport {
	return func(ctx context.Context, req *request) (*response, error) {
		body, err := proto.Marshal(req)
		if err != nil {
			return nil, refusal{err}
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
		if err != nil {
			return nil, refusal{err}
		}
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set("User-Agent", "visor")
		for name, value := range cfg.Headers {
			r.Header.Set(name, value)
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return readResponse(resp)
	}
}

// maxResponse is the number of bytes of an answer that are read; an answer is a sentence at most.
const maxResponse = 64 << 10

// readResponse returns the error of a response. With a status 2xx the receiver has accepted the
// request, even if its message cannot be read.
func readResponse(resp *http.Response) (*response, error) {
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		out := &response{}
		if readErr != nil || resp.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, out) != nil {
			return &response{}, nil
		}
		return out, nil
	}
	err := errors.New(resp.Status)
	if len(body) > 0 {
		err = fmt.Errorf("%s: %.200q", resp.Status, body)
	}
	if retryable(resp.StatusCode) {
		return nil, later{err, retryafter.Delay(resp.Header)}
	}
	return nil, refusal{err}
}

// retryable reports whether a status allows a retry, by "Retryable Response Codes" of the
// specification.
func retryable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func (cfg *Config) overGRPC(client *http.Client, u *url.URL) transport {
	c := connect.NewClient[request, response](client, u.String(), connect.WithGRPC(), connect.WithReadMaxBytes(maxResponse))
	return func(ctx context.Context, req *request) (*response, error) {
		r := connect.NewRequest(req)
		for name, value := range cfg.Headers {
			r.Header().Set(name, value)
		}
		resp, err := c.CallUnary(ctx, r)
		if err == nil {
			return resp.Msg, nil
		}
		return nil, grpcVerdict(err)
	}
}

// grpcVerdict returns the error of an answer over gRPC, by "Failures" of the specification. A
// receiver that is short of resources states a delay. Without one, the request is too large for it.
func grpcVerdict(err error) error {
	after, asked := retryInfo(err)
	switch connect.CodeOf(err) {
	case connect.CodeCanceled, connect.CodeDeadlineExceeded, connect.CodeAborted, connect.CodeOutOfRange, connect.CodeUnavailable,
		connect.CodeDataLoss:
		return later{err, after}
	case connect.CodeResourceExhausted:
		if asked {
			return later{err, after}
		}
	// not an answer of gRPC, for instance from a proxy or a broken connection
	case connect.CodeUnknown:
		return err
	}
	return refusal{err}
}

// retryInfo returns the delay of a google.rpc.RetryInfo among the details of an error.
func retryInfo(err error) (after time.Duration, ok bool) {
	of, _ := errors.AsType[*connect.Error](err)
	if of == nil {
		return 0, false
	}
	for _, d := range of.Details() {
		if d.Type() != "google.rpc.RetryInfo" {
			continue
		}
		// message RetryInfo { google.protobuf.Duration retry_delay = 1; }
		_, _, tag := protowire.ConsumeTag(d.Bytes())
		field, _ := protowire.ConsumeBytes(d.Bytes()[max(0, tag):])
		delay := &durationpb.Duration{}
		if proto.Unmarshal(field, delay) == nil {
			after = max(0, delay.AsDuration())
		}
		return after, true
	}
	return 0, false
}
