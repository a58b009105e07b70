package httpapi

import (
	"net/http"
	"sync"

	"github.com/klauspost/compress/zstd"

	"visor/handler"
)

// typeSnapshot is the content type of a snapshot, which handler.ReadSnapshot reads.
const typeSnapshot = "application/vnd.visor.snapshot"

// encoder compresses answers. It is made for the first one: its tables take megabytes.
type encoder struct {
	once sync.Once
	zstd *zstd.Encoder
	err  error
}

func (e *encoder) compress(data []byte) ([]byte, error) {
	e.once.Do(func() { e.zstd, e.err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) })
	if e.err != nil {
		return nil, e.err
	}
	return e.zstd.EncodeAll(data, nil), nil
}

// snapshot answers with the last closed period of a policy as bytes, compressed with zstd. With a
// range in the query, it answers with the history of that range.
func (a *API) snapshot(r *http.Request) reply {
	if values := r.URL.Query(); values.Has("from") || values.Has("to") {
		return a.historySnapshot(r)
	}
	name := r.PathValue("policy")
	chosen := a.chosen(name)
	if len(chosen) != 1 || name == everything {
		return failure(http.StatusNotFound, "policy does not exist")
	}
	snap, err := chosen[0].Bucket(1)
	if err != nil {
		return failure(http.StatusTooEarly, err.Error())
	}
	return a.packed(snap, name)
}

// packed returns the reply with the bytes of a snapshot.
func (a *API) packed(snap *handler.Snapshot, policy string) reply {
	data, err := snap.AppendBinary(nil, a.origin(policy), handler.DefaultEntries)
	if err == nil {
		data, err = a.encoder.compress(data)
	}
	if err != nil {
		return failure(http.StatusInternalServerError, err.Error())
	}
	return reply{status: http.StatusOK, typ: typeSnapshot, body: data}
}
