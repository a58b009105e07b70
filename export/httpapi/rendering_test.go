package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRenderings checks that clients with the same request share an answer, that few are made at
// the same time, and that clients beyond the limit can retry.
func TestRenderings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRenderings(answerBytes)
		var made, now, most atomic.Int64
		gate := make(chan struct{})
		render := func() reply {
			made.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			<-gate
			now.Add(-1)
			return reply{status: http.StatusOK, body: []byte("answer")}
		}
		statuses := make(map[int]int)
		var mu sync.Mutex
		var clients sync.WaitGroup
		ask := func(ctx context.Context, key string) {
			clients.Go(func() {
				rep, sent := rs.answer(ctx, key, render)
				defer sent()
				mu.Lock()
				defer mu.Unlock()
				statuses[rep.status]++
				require.Equal(t, rep.status == http.StatusServiceUnavailable, rep.retry > 0)
			})
		}
		for range 1000 {
			ask(t.Context(), "same")
		}
		synctest.Wait()
		require.EqualValues(t, 1, made.Load())
		for i := range 100 {
			ask(t.Context(), fmt.Sprint(i))
		}
		synctest.Wait()
		require.EqualValues(t, renderAtOnce, most.Load())
		require.Equal(t, map[int]int{503: 101 - renderAtOnce - renderQueue}, statuses, "the queue is full")
		for range renderAtOnce {
			gate <- struct{}{}
		}
		synctest.Wait()
		require.GreaterOrEqual(t, statuses[200], 1000)
		gone, cancel := context.WithCancel(t.Context())
		ask(gone, "gone")
		synctest.Wait()
		cancel()
		close(gate)
		clients.Wait()
		require.EqualValues(t, renderAtOnce, most.Load())
		require.Zero(t, rs.bytes, "all is sent")
		require.Empty(t, rs.running)
	})
}

// TestRenderingsLeave checks that a client that disconnects while it waits costs no other client
// its answer, and that an answer without clients is not made.
func TestRenderingsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRenderings(answerBytes)
		gate, made := make(chan struct{}), 0
		for i := range renderAtOnce {
			go rs.answer(t.Context(), fmt.Sprint(i), func() reply { <-gate; return reply{} })
		}
		synctest.Wait()
		render := func() reply { made++; return reply{status: http.StatusOK} }
		var clients sync.WaitGroup
		ask := func(ctx context.Context, status int) {
			clients.Go(func() {
				rep, sent := rs.answer(ctx, "same", render)
				sent()
				assert.Equal(t, status, rep.status)
			})
			synctest.Wait()
		}
		first, leave := context.WithCancel(t.Context())
		ask(first, http.StatusOK)
		ask(t.Context(), http.StatusOK)
		leave()
		synctest.Wait()
		ask(t.Context(), http.StatusOK)
		close(gate)
		clients.Wait()
		require.Equal(t, 1, made, "for all three")

		gate = make(chan struct{})
		for i := range renderAtOnce {
			go rs.answer(t.Context(), fmt.Sprint(i), func() reply { <-gate; return reply{} })
		}
		synctest.Wait()
		first, leave = context.WithCancel(t.Context())
		second, leaveToo := context.WithCancel(t.Context())
		ask(first, http.StatusServiceUnavailable)
		ask(second, http.StatusServiceUnavailable)
		leave()
		leaveToo()
		clients.Wait() // before there is a slot
		require.Equal(t, 1, made)
		ask(t.Context(), http.StatusOK)
		close(gate)
		clients.Wait()
		require.Equal(t, 2, made)
	})
}

// TestRenderingsWait rejects clients that wait too long.
func TestRenderingsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRenderings(answerBytes)
		gate := make(chan struct{})
		for i := range renderAtOnce {
			go rs.answer(t.Context(), fmt.Sprint(i), func() reply { <-gate; return reply{} })
		}
		synctest.Wait()
		rep, _ := rs.answer(t.Context(), "late", func() reply { return reply{status: http.StatusOK} })
		require.Equal(t, http.StatusServiceUnavailable, rep.status)
		require.Positive(t, rs.refused.Load())
		close(gate)
	})
}

// TestRenderingsBytes checks that answers to slow clients are bounded in bytes.
func TestRenderingsBytes(t *testing.T) {
	rs := newRenderings(answerBytes)
	large := reply{status: http.StatusOK, body: []byte(strings.Repeat("x", answerBytes/2+1))}
	first, sent := rs.answer(t.Context(), "a", func() reply { return large })
	require.Equal(t, http.StatusOK, first.status)
	second, dropped := rs.answer(t.Context(), "b", func() reply { return large })
	require.Equal(t, http.StatusServiceUnavailable, second.status)
	dropped()
	sent()
	third, sent := rs.answer(t.Context(), "b", func() reply { return large })
	require.Equal(t, http.StatusOK, third.status)
	sent()
	require.Zero(t, rs.bytes)
}

// TestRenderingsPanic checks that a panic of one answer does not block others.
func TestRenderingsPanic(t *testing.T) {
	rs := newRenderings(answerBytes)
	require.Panics(t, func() { rs.answer(t.Context(), "a", func() reply { panic("broken") }) })
	rep, _ := rs.answer(t.Context(), "a", func() reply { return reply{status: http.StatusOK} })
	require.Equal(t, http.StatusOK, rep.status)
	require.Empty(t, rs.slots)
}

// TestRetryAfter checks that a 503 has a Retry-After header.
func TestRetryAfter(t *testing.T) {
	w := httptest.NewRecorder()
	write(w, reply{status: http.StatusServiceUnavailable, retry: retryAfter})
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	w = httptest.NewRecorder()
	write(w, reply{status: http.StatusOK})
	require.Empty(t, w.Header().Get("Retry-After"))
}
