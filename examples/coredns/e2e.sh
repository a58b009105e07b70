#!/usr/bin/env bash
# Asks CoreDNS with dnsperf, holds what the plugin tells against what dnsperf counted, and measures what the plugin costs:
# two servers run at once, one with it and one without, and are asked in turn. Called by .ci/run; ROUNDS=20 for figures.
set -euo pipefail
cd "$(dirname "$0")"
ROUNDS=${ROUNDS:-3}
if ! command -v dnsperf >/dev/null || ! command -v curl >/dev/null; then
	echo "coredns: skipped, it needs dnsperf and curl"
	exit 0
fi
work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work"/log.* >&2; exit 1; }

CGO_ENABLED=0 go build -o "$work/coredns" .
sed '/visor {/,/}/d; s/:1053/:1054/; s/:9153/:9154/' Corefile >Corefile.without
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$work" Corefile.without' EXIT
"$work/coredns" -conf Corefile >"$work/log.with" 2>&1 &
servers+=($!)
"$work/coredns" -conf Corefile.without >"$work/log.without" 2>&1 &
servers+=($!)
for port in 9153 9154; do
	for _ in $(seq 50); do
		curl -sf "http://127.0.0.1:$port/metrics" >/dev/null && break
		sleep 0.1
	done
done
printf '%s\n' "www.example.com A" "nosuch.example.com AAAA" "mail.example.com MX" >"$work/questions"

# ask PORT asks for a second, and adds queries and average latency (µs) to the port's list.
ask() {
	dnsperf -s 127.0.0.1 -p "$1" -d "$work/questions" -l 1 -c 4 -Q 5000 >"$work/perf" || fail "dnsperf: $(cat "$work/perf")"
	awk '/Queries sent/ {n = $3} /Average Latency/ {print n, $4 * 1e6}' "$work/perf" >>"$work/asked.$1"
}
for ((i = 0; i < ROUNDS; i++)); do
	ask 1053
	ask 1054
done
sent=$(awk '{n += $1} END {print n}' "$work/asked.1053")
sleep 1
curl -sf http://127.0.0.1:9153/metrics >"$work/metrics"
grep -q "^dns_wire_packets_queries{server=\"home\"} $sent\$" "$work/metrics" ||
	fail "dnsperf sent $sent; $(grep -E '^dns_wire_packets_queries|^coredns_dns_requests_total' "$work/metrics")"
grep -q '^dns_top_nxdomain{qname="nosuch.example.com",server="home"}' "$work/metrics" || fail "no names: $(grep top "$work/metrics")"
kill -USR1 "${servers[0]}" # CoreDNS reads the Corefile again: the plugin and its counts begin anew
sleep 2
dnsperf -s 127.0.0.1 -p 1053 -d "$work/questions" -n 10 >/dev/null
sleep 1
curl -sf http://127.0.0.1:9153/metrics >"$work/metrics" || fail "no metrics after a reload: $(curl -s http://127.0.0.1:9153/metrics)"
grep -q '^dns_wire_packets_queries{server="home"} 30$' "$work/metrics" || fail "after a reload: $(grep ^dns_wire "$work/metrics")"
kill -INT "${servers[0]}"
wait "${servers[0]}" || fail "Ctrl-C gave exit code $?"
for port in 1053 1054; do
	awk '{print $2}' "$work/asked.$port" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}' >"$work/median.$port"
done
paste "$work"/median.* | awk -v n="$sent" -v r="$ROUNDS" '{
	printf "coredns: %d queries of dnsperf, as many told; latency with the plugin %.1f µs, without %.1f µs (%+.1f %%, medians of %d rounds)\n",
		n, $1, $2, ($1 / $2 - 1) * 100, r}'
