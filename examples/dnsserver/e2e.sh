#!/usr/bin/env bash
# Asks the server with dnsperf, and compares its counts with those of dnsperf. Called by .ci/run.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v dnsperf >/dev/null || ! command -v curl >/dev/null; then
	echo "dnsserver: skipped, it needs dnsperf and curl"
	exit 0
fi
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work/log" >&2; exit 1; }

CGO_ENABLED=0 go build -o "$work/dnsserver" .
"$work/dnsserver" -listen 127.0.0.1:5311 -http 127.0.0.1:8063 >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 50); do
	curl -sf http://127.0.0.1:8063/stats >/dev/null && break
	sleep 0.1
done
printf '%s\n' "www.example.com A" "nosuch.example.com AAAA" "mail.example.com MX" >"$work/questions"
dnsperf -s 127.0.0.1 -p 5311 -d "$work/questions" -n 2000 -c 3 -Q 5000 >"$work/perf" || fail "dnsperf: $(cat "$work/perf")"
sent=$(awk '/Queries sent/ {print $3}' "$work/perf")
sleep 0.5
curl -sf http://127.0.0.1:8063/stats >"$work/stats"
curl -sf http://127.0.0.1:8063/metrics >"$work/metrics"
grep -q "\"queries\": $sent," "$work/stats" || fail "dnsperf sent $sent; $(cat "$work/stats")"
grep -q '"distinct_clients": 1,' "$work/stats" || fail "one client: $(cat "$work/stats")"
grep -q '"name": "www.example.com"' "$work/stats" || fail "no names: $(cat "$work/stats")"
tr -d ' \n' <"$work/stats" | grep -q "\"top_clients\":\[{\"estimate\":$sent,\"name\":\"127.0.0.1\"}\]" || fail "no clients: $(cat "$work/stats")"
grep -Eq '"p99_us": [1-9]' "$work/stats" || fail "no times: $(cat "$work/stats")"
grep -q "^dns_wire_packets_queries{} $sent\$" "$work/metrics" || fail "metrics: $(grep queries "$work/metrics")"
kill -INT "$server"
wait "$server" || fail "Ctrl-C gave exit code $?"
grep -q "\"queries\": $sent," "$work/out" || fail "no summary at the end"
echo "dnsserver: counted the $sent queries of dnsperf; $(grep p99 "$work/stats")"
