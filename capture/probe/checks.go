package probe

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"visor/decode/probemsg"
)

// Checks holds the conditions on the response to an HTTP test. The zero Checks accepts any response
// with a status from 200 to 399.
type Checks struct {
	Expected []Statuses // one of these must match; none means 200 to 399
	Failure  []Statuses // none of these may match, even if Expected matches

	Contains    string         // required text in the body
	Matches     *regexp.Regexp // required match in the body; nil means no condition, here and below
	NotContains string         // forbidden text in the body
	NotMatches  *regexp.Regexp // forbidden match in the body
	JSON        *JSONCheck     // condition on the body as JSON

	Sizes      *Sizes                    // allowed sizes of the body
	Headers    map[string]*regexp.Regexp // at least one value of each header must match
	NotHeaders map[string]*regexp.Regexp // no value of these headers may match
	// maximum age by Last-Modified, which must be present; 0 means any
	MaxAge time.Duration
	// accepted versions: "1.0", "1.1", "2", "3"; none means any
	HTTPVersions []string

	// MaxBody is the number of bytes of the body that are kept for the conditions on it; 0 means
	// 512 KiB. Conditions on a longer body count as fulfilled, except for a NotContains found in
	// the bytes that were kept.
	MaxBody int
}

// Statuses is an inclusive range of HTTP status codes.
type Statuses struct{ Low, High int }

// Sizes is an inclusive range of sizes in bytes.
type Sizes struct{ Min, Max uint64 }

// JSONCheck is a condition on a value within a JSON document.
type JSONCheck struct {
	Pointer []string // reference tokens of the path (RFC 6901), unescaped
	// required value: a string, or compact JSON text; nil only requires that the value exists
	Equals *string
}

// ParsePointer returns the tokens of a JSON Pointer (RFC 6901), or false if p is not one.
func ParsePointer(p string) ([]string, bool) {
	if p == "" {
		return nil, true
	}
	if p[0] != '/' {
		return nil, false
	}
	tokens := strings.Split(p[1:], "/")
	for i, token := range tokens {
		if bad := strings.NewReplacer("~0", "", "~1", "").Replace(token); strings.Contains(bad, "~") {
			return nil, false
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return tokens, true
}

// maxHeader is the number of header bytes that are checked.
const maxHeader = 64 << 10

func (c Checks) withDefaults() Checks {
	if c.MaxBody == 0 {
		c.MaxBody = 512 << 10
	}
	return c
}

// reads reports whether a condition needs the content of the body.
func (c *Checks) reads() bool {
	return c.Contains != "" || c.NotContains != "" || c.Matches != nil || c.NotMatches != nil || c.JSON != nil
}

// outcome evaluates a response. body holds the bytes that were kept of size bytes.
func (c *Checks) outcome(r *http.Response, body []byte, size uint64, now time.Time) probemsg.Outcome {
	switch {
	case !c.status(r.StatusCode):
		return probemsg.BadStatus
	case !c.body(body, size), !c.headers(r.Header), !c.age(r.Header, now), !c.version(r):
		return probemsg.BadContent
	}
	return probemsg.Success
}

func (c *Checks) status(code int) bool {
	in := func(s Statuses) bool { return s.Low <= code && code <= s.High }
	if slices.ContainsFunc(c.Failure, in) {
		return false
	}
	if len(c.Expected) == 0 {
		return in(Statuses{200, 399})
	}
	return slices.ContainsFunc(c.Expected, in)
}

func (c *Checks) body(body []byte, size uint64) bool {
	forbidden := c.NotContains != "" && bytes.Contains(body, []byte(c.NotContains))
	switch {
	case forbidden, c.Sizes != nil && (size < c.Sizes.Min || size > c.Sizes.Max):
		return false
	case !c.reads(), size > uint64(len(body)):
		return true
	}
	return bytes.Contains(body, []byte(c.Contains)) &&
		(c.Matches == nil || c.Matches.Match(body)) &&
		(c.NotMatches == nil || !c.NotMatches.Match(body)) &&
		(c.JSON == nil || c.JSON.holds(body))
}

func (j *JSONCheck) holds(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		return false
	}
	for _, token := range j.Pointer {
		var ok bool
		if v, ok = member(v, token); !ok {
			return false
		}
	}
	return j.Equals == nil || compact(v) == *j.Equals
}

// member returns the value in v that a reference token selects.
func member(v any, token string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		m, ok := v[token]
		return m, ok
	case []any:
		i, err := strconv.Atoi(token)
		if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
			return nil, false
		}
		return v[i], true
	}
	return nil, false
}

// compact returns a string unchanged, and other values as JSON without white space and with sorted
// members.
func compact(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(shortest(v)) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shortest formats numbers with a fraction or an exponent as pktvisor's JSON library does: with the
// fewest digits, and with .0 after whole numbers.
func shortest(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = shortest(v[name])
		}
	case []any:
		for i := range v {
			v[i] = shortest(v[i])
		}
	case json.Number:
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(v.String(), ".eE") {
			return v
		}
		if f == math.Trunc(f) && math.Abs(f) < 1e15 {
			return json.Number(strconv.FormatFloat(f, 'f', 1, 64))
		}
		return f
	}
	return v
}

// headers checks the conditions on headers. Headers longer than maxHeader fulfil none.
func (c *Checks) headers(h http.Header) bool {
	if len(c.Headers) == 0 && len(c.NotHeaders) == 0 {
		return true
	}
	size := 0
	for name, values := range h {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size > maxHeader {
		return false
	}
	for name, re := range c.Headers {
		if !slices.ContainsFunc(h.Values(name), re.MatchString) {
			return false
		}
	}
	for name, re := range c.NotHeaders {
		if slices.ContainsFunc(h.Values(name), re.MatchString) {
			return false
		}
	}
	return true
}

func (c *Checks) age(h http.Header, now time.Time) bool {
	if c.MaxAge == 0 {
		return true
	}
	at, err := http.ParseTime(h.Get("Last-Modified"))
	// the header has a resolution of one second
	return err == nil && now.Truncate(time.Second).Sub(at) <= c.MaxAge
}

func (c *Checks) version(r *http.Response) bool {
	version := strconv.Itoa(r.ProtoMajor)
	if r.ProtoMajor == 1 {
		version += "." + strconv.Itoa(r.ProtoMinor)
	}
	return len(c.HTTPVersions) == 0 || slices.Contains(c.HTTPVersions, version)
}
