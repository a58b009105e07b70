package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Headers of a webhook.
const (
	// SignatureHeader has the form t=SECONDS,v1=HEX: the time of the attempt in seconds since the
	// Unix epoch, and the HMAC-SHA256 of "SECONDS.BODY" with the secret.
	SignatureHeader = "Visor-Signature"
	// IDHeader has the ID of the message, which is the same in each attempt.
	IDHeader = "Idempotency-Key"
)

// webhook sends one message in a request.
type webhook struct {
	*poster
	secret []byte // nil does not sign
}

func (*webhook) kind() string          { return Webhook }
func (*webhook) batch() int            { return 1 }
func (*webhook) repeat() time.Duration { return 0 }

func (w *webhook) send(ctx context.Context, batch []parcel) error {
	m := batch[0].msg
	body, err := json.Marshal(m)
	if err != nil {
		return refusal{err}
	}
	header := map[string]string{IDHeader: strconv.QuoteToASCII(m.ID)}
	if w.secret != nil {
		header[SignatureHeader] = sign(w.secret, time.Now(), body)
	}
	return w.post(ctx, body, header)
}

// sign returns the signature of a body.
func sign(secret []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(digest(secret, seconds, body))
}

func digest(secret []byte, seconds string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// ErrSignature is returned by [Verify] for a signature that does not match.
var ErrSignature = errors.New("alert: wrong signature")

// Verify checks the signature of a webhook for its receiver: header is the value of
// [SignatureHeader]. It returns [ErrSignature] if the signature does not match, or if its time
// differs from now by more than tolerance. The tolerance bounds how long a copy of a request is
// valid. Within that time, copies have the same ID of the message.
func Verify(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error {
	seconds, signature, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	n, err := strconv.ParseInt(seconds, 10, 64)
	given, hexErr := hex.DecodeString(signature)
	if !ok || errors.Join(err, hexErr) != nil || !hmac.Equal(given, digest(secret, seconds, body)) {
		return ErrSignature
	}
	if age := now.Sub(time.Unix(n, 0)).Abs(); age > tolerance {
		return fmt.Errorf("%w: it is %v old", ErrSignature, age)
	}
	return nil
}
