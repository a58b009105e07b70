package probe_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"visor/capture/probe"
	"visor/decode/dnsmsg"
	"visor/decode/probemsg"
	"visor/internal/certtest"
)

// answer returns a response to a query with one A record. change may modify it.
func answer(query []byte, change func([]byte) []byte) []byte {
	out := append([]byte(nil), query...)
	out[2], out[7] = out[2]|0x80, 1
	out = append(out, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
	if change != nil {
		out = change(out)
	}
	return out
}

// Modifications of responses.
func rcode(n byte) func([]byte) []byte {
	return func(b []byte) []byte { b[3] |= n; return b }
}
func truncated(b []byte) []byte     { b[2] |= 2; return b }
func short(b []byte) []byte         { return b[:len(b)-1] }
func upperCase(b []byte) []byte     { copy(b[13:], strings.ToUpper(string(b[13:16]))); return b }
func otherName(b []byte) []byte     { b[13] = 'x'; return b }
func otherType(b []byte) []byte     { b[12+17+1] = 28; return b }
func aQuery(b []byte) []byte        { b[2] &^= 0x80; return b }
func oddAdditional(b []byte) []byte { b[11] = 9; return b }

var query = probe.Query{Name: "www.example.com"}

func TestDoH(t *testing.T) {
	var change func([]byte) []byte
	media, status := "application/dns-message", 200
	var asked []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		msg, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Accept")+" "+r.URL.Query().Get("a"))
		if r.Method == http.MethodGet {
			msg, _ = base64.RawURLEncoding.DecodeString(r.URL.Query().Get("dns"))
		}
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		w.Write(answer(msg, change))
	}))
	defer server.Close()
	run := func(req probe.Request, path string) probemsg.Response {
		e := first(t, probe.Config{
			Test: probe.DoH, Query: query, Request: req, TLS: &tls.Config{InsecureSkipVerify: true}, Targets: []probe.Target{{Name: "doh", Host: server.URL + path}},
		})
		require.Equal(t, probemsg.Responded, e.Kind)
		require.Equal(t, uint64(probemsg.NoSize), e.Response.Size)
		require.Positive(t, e.Response.Expiry)
		return e.Response
	}
	require.Equal(t, probemsg.Success, run(probe.Request{}, "/dns-query").Outcome)
	require.Equal(t, probemsg.Success, run(probe.Request{Method: "GET"}, "/dns-query").Outcome)
	require.Equal(t, probemsg.Success, run(probe.Request{Method: "GET"}, "/dns-query?a=b").Outcome)
	require.Equal(t, []string{
		"POST application/dns-message application/dns-message ", "GET  application/dns-message ", "GET  application/dns-message b",
	}, asked)
	for _, tt := range []struct {
		name    string
		change  func([]byte) []byte
		outcome probemsg.Outcome
		rcode   uint16
	}{
		{"NXDOMAIN", rcode(3), probemsg.BadResponse, 3},
		{"other case", upperCase, probemsg.Success, 0},
		{"additional is not looked at", oddAdditional, probemsg.Success, 0},
		{"TC", truncated, probemsg.BadResponse, probemsg.ParseError},
		{"cut record", short, probemsg.BadResponse, probemsg.ParseError},
		{"name of another", otherName, probemsg.BadResponse, probemsg.ParseError},
		{"type of another", otherType, probemsg.BadResponse, probemsg.ParseError},
		{"query", aQuery, probemsg.BadResponse, probemsg.ParseError},
		{"no header", func(b []byte) []byte { return b[:11] }, probemsg.BadResponse, probemsg.ParseError},
	} {
		change = tt.change
		r := run(probe.Request{}, "")
		require.Equal(t, []any{tt.outcome, tt.rcode, uint16(200)}, []any{r.Outcome, r.RCode, r.Status}, tt.name)
	}
	change, media = nil, "Application/DNS-Message; charset=x"
	require.Equal(t, probemsg.Success, run(probe.Request{}, "").Outcome)
	media = "text/html"
	require.Equal(t, uint16(probemsg.ParseError), run(probe.Request{}, "").RCode)
	status = 503
	r := run(probe.Request{}, "")
	require.Equal(t, []any{probemsg.BadStatus, uint16(probemsg.NoRCode), uint16(503)}, []any{r.Outcome, r.RCode, r.Status})
}

// nameServer answers queries over UDP, TCP and TLS, each on its own port.
type nameServer struct{ udp, tcp, tls netip.AddrPort }

func newNameServer(t *testing.T, cert tls.Certificate, change func([]byte) []byte) nameServer {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { udp.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			stray := answer(buf[:n], nil)
			stray[0] ^= 1 // response to another query
			udp.WriteTo(stray, from)
			udp.WriteTo([]byte("x"), from)
			udp.WriteTo(answer(buf[:n], change), from)
		}
	}()
	s := nameServer{udp: netip.MustParseAddrPort(udp.LocalAddr().String())}
	for _, to := range []*netip.AddrPort{&s.tcp, &s.tls} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		*to = netip.MustParseAddrPort(l.Addr().String())
		if to == &s.tls {
			l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		}
		t.Cleanup(func() { l.Close() })
		go serveStreams(l, change)
	}
	return s
}

func serveStreams(l net.Listener, change func([]byte) []byte) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			head := make([]byte, 2)
			if _, err := io.ReadFull(conn, head); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(head))
			if _, err := io.ReadFull(conn, query); err != nil {
				return
			}
			msg := answer(query, change)
			conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
		}()
	}
}

func TestDNS(t *testing.T) {
	ca := certtest.Sign(t, "authority", nil)
	cert := certtest.Sign(t, "server", ca).TLS()
	run := func(s nameServer, transport probe.Transport, cfg *tls.Config) probemsg.Event {
		q := query
		q.Transport = transport
		port := map[probe.Transport]netip.AddrPort{probe.UDP: s.udp, probe.TCP: s.tcp, probe.TLS: s.tls}[transport].Port()
		return first(t, probe.Config{Test: probe.DNS, Query: q, TLS: cfg, Targets: []probe.Target{{Name: "dns", Host: "localhost", Version: 4, Port: port}}})
	}
	trusting := &tls.Config{RootCAs: ca.Pool()}
	good := newNameServer(t, cert, nil)
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP, probe.TLS} {
		r := run(good, transport, trusting).Response
		require.Equal(t, []any{probemsg.Success, uint16(dnsmsg.RCodeNoError), uint16(0), uint64(probemsg.NoSize)}, []any{r.Outcome, r.RCode, r.Status, r.Size})
		require.Equal(t, transport == probe.TLS, r.Expiry > 0)
		require.Equal(t, transport == probe.TLS, r.TLS > 0)
		require.Positive(t, r.Total)
	}
	require.Equal(t, probemsg.ConnectFailed, run(good, probe.TLS, nil).Kind, "the authority is not one of the system's")
	for name, tt := range map[string]struct {
		change   func([]byte) []byte
		udp, tcp uint16
	}{
		"SERVFAIL": {rcode(2), 2, 2},
		// over UDP a client would ask again over TCP, so the server works
		"truncated": {truncated, 0, probemsg.ParseError},
		"cut":       {short, probemsg.ParseError, probemsg.ParseError},
		"strange":   {otherName, probemsg.ParseError, probemsg.ParseError},
	} {
		s := newNameServer(t, cert, tt.change)
		require.Equal(t, tt.udp, run(s, probe.UDP, nil).Response.RCode, name)
		require.Equal(t, tt.tcp, run(s, probe.TCP, nil).Response.RCode, name)
	}
}

// TestDNSFailures has servers that do not answer.
func TestDNSFailures(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	run := func(addr net.Addr, transport probe.Transport) probemsg.Kind {
		q := query
		q.Transport = transport
		port := netip.MustParseAddrPort(addr.String()).Port()
		return first(t, probe.Config{Test: probe.DNS, Timeout: 100 * time.Millisecond, Query: q, Targets: []probe.Target{{Name: "dns", Host: "127.0.0.1", Port: port}}}).Kind
	}
	require.Equal(t, probemsg.TimedOut, run(silent.LocalAddr(), probe.UDP))
	require.Equal(t, probemsg.ConnectFailed, run(closed.LocalAddr(), probe.UDP))
	require.Equal(t, probemsg.ConnectFailed, run(closed.LocalAddr(), probe.TCP))
}
