package probe

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"

	"visor/decode/dnsmsg"
	"visor/decode/probemsg"
)

// maxAnswer is the maximum length of a DNS message.
const maxAnswer = 64 << 10

// Limits of names (RFC 1035 section 2.3.4).
const (
	maxName  = 253
	maxLabel = 63
)

// appendTo appends the query as a DNS message with one question and the RD bit.
func (q *Query) appendTo(b []byte, id uint16) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	name := strings.TrimSuffix(q.Name, ".")
	if len(name) > maxName || q.Name == "" {
		return nil, errors.New("probe: the name of the Query is empty or longer than 253 bytes")
	}
	if name != "" {
		for label := range strings.SplitSeq(name, ".") {
			if label == "" || len(label) > maxLabel {
				return nil, errors.New("probe: a label of the Query's name is empty or longer than 63 bytes")
			}
			b = append(append(b, byte(len(label))), label...)
		}
	}
	b = binary.BigEndian.AppendUint16(append(b, 0), uint16(q.Type))
	return binary.BigEndian.AppendUint16(b, 1), nil // class IN
}

const mediaType = "application/dns-message"

// request returns the query as a request of DNS over HTTPS.
func (q *Query) request(ctx context.Context, method, url string) (*http.Request, error) {
	msg, err := q.appendTo(nil, 0)
	if err != nil {
		return nil, err
	}
	if method == http.MethodGet {
		sep := "?"
		if strings.Contains(url, "?") {
			sep = "&"
		}
		url += sep + "dns=" + base64.RawURLEncoding.EncodeToString(msg)
		msg = nil
	} else {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(msg))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", mediaType)
	if msg != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	return req, nil
}

// outcome evaluates the response to request.
func (q *Query) outcome(resp *http.Response, body []byte) (probemsg.Outcome, uint16) {
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return probemsg.BadStatus, probemsg.NoRCode
	}
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	msg, err := dnsmsg.Parse(body)
	if err != nil || !strings.EqualFold(strings.TrimSpace(media), mediaType) || !q.answers(msg) || msg.Truncated() {
		return probemsg.BadResponse, probemsg.ParseError
	}
	return worth(msg)
}

// worth evaluates a valid response.
func worth(msg dnsmsg.Message) (probemsg.Outcome, uint16) {
	code := msg.RCode()
	if code != dnsmsg.RCodeNoError {
		return probemsg.BadResponse, uint16(code)
	}
	return probemsg.Success, uint16(code)
}

// answers reports whether msg is a response to the query. It must have the same question, and all
// answer and authority records that its header declares.
func (q *Query) answers(msg dnsmsg.Message) bool { return q.asked(msg) && whole(msg) }

// asked reports whether msg is a response with the query's question.
func (q *Query) asked(msg dnsmsg.Message) bool {
	ours, err := q.appendTo(nil, 0)
	if err != nil {
		return false
	}
	want, _, _ := dnsmsg.Message(ours).AppendQuestion(nil)
	name, question, err := msg.AppendQuestion(nil)
	return err == nil && msg.Response() && question.Type == q.Type && bytes.Equal(name, want)
}

// whole reports whether all answer and authority records can be parsed.
func whole(msg dnsmsg.Message) bool {
	left := int(msg.ANCount()) + int(msg.NSCount())
	for rr := msg.Records(); left > 0 && rr.Next(); {
		left--
	}
	return left == 0
}
