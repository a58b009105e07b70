#!/usr/bin/env bash
# Compares visor with other programs: user CPU time of the whole process on the same generated
# input, in turns, the least of ROUNDS: benchmarks/peers.sh [PACKETS [ROUNDS]]. Programs that are
# missing are left out. apt-get install tshark dnstop, and
# go install github.com/netsampler/goflow2/v2/cmd/goflow2@latest. dsc is not in Debian.
set -euo pipefail
cd "$(dirname "$0")/.."
packets=${1:-500000}
rounds=${2:-3}
datagrams=2000 # of NetFlow, with 30 flows each
work=$(mktemp -d)
agent=""
trap '[ -z "$agent" ] || kill "$agent" 2>/dev/null || true; rm -rf "$work"' EXIT

for program in visor-reader visord; do
	CGO_ENABLED=0 go build -o "$work/$program" "./examples/$program"
done
(cd benchmarks/compare && CGO_ENABLED=0 go build -o "$work/peer" ./peer)
go run ./internal/trafficgen/cmd/trafficgen -kind varied -n "$packets" -o "$work/dns.pcap" 2>"$work/made"

# cpu NAME COMMAND: the user CPU time of a command in ms, if the program is there
cpu() {
	local name=$1
	shift
	command -v "$1" >/dev/null || return 0
	TIMEFORMAT=%U
	local seconds
	seconds=$({ time "$@" >/dev/null 2>&1 </dev/null; } 2>&1)
	awk -v s="$seconds" -v n="$packets" -v name="$name" 'BEGIN { printf "%s\t%.0f\n", name, s * 1e9 / n }' >>"$work/dns"
}

# collector NAME PORT PATH COUNTER COMMAND: the user CPU time of a collector for the flows that it read
collector() {
	local name=$1 port=$2 path=$3 counter=$4
	shift 4
	command -v "$1" >/dev/null || return 0
	"$@" >"$work/log" 2>&1 &
	agent=$!
	sleep 2
	"$work/peer" flows "127.0.0.1:$port" "$datagrams"
	sleep 3
	local read ticks
	read=$(curl -s "127.0.0.1:$((port + 1))$path" | awk -v c="$counter" 'index($0, c) == 1 { n += $NF } END { printf "%.0f", n }')
	ticks=$(awk '{ print $14 }' "/proc/$agent/stat")
	kill "$agent"
	wait "$agent" 2>/dev/null || true
	agent=""
	awk -v t="$ticks" -v hz="$(getconf CLK_TCK)" -v n="$read" -v name="$name" 'BEGIN { if (n > 0) printf "%s\t%.0f\n", name, t / hz * 1e9 / n }' >>"$work/flow"
}

cat >"$work/flow.yaml" <<'YAML'
visor:
  taps: {routers: {input_type: flow, config: {flow_type: netflow, bind: 127.0.0.1, port: 12055}}}
  policies: {flows: {kind: collection, input: {tap: routers, input_type: flow}, handlers: {modules: {flow: {type: flow}}}}}
YAML

for _ in $(seq "$rounds"); do
	cpu "visor-reader, all groups" "$work/visor-reader" --format json -H 192.0.2.0/24,2001:db8:53::/48 "$work/dns.pcap"
	cpu "visor, pktvisor's groups" "$work/peer" visor "$work/dns.pcap"
	cpu "gopacket, decoding alone" "$work/peer" gopacket "$work/dns.pcap"
	cpu "dnstop -l 3" dnstop -l 3 "$work/dns.pcap"
	cpu "tshark -z dns,tree" tshark -q -z dns,tree -r "$work/dns.pcap"
	collector "visord, flow" 12055 /metrics/counters visor_flow_records_total "$work/visord" -p 12056 --config "$work/flow.yaml"
	for format in bin json; do
		collector "goflow2 -format $format" 12065 /metrics goflow2_flow_process_nf_flowset_total goflow2 -format "$format" \
			-listen netflow://127.0.0.1:12065 -addr 127.0.0.1:12066 -transport.file /dev/null
	done
done

# least FILE: the least of each name, and its ratio to the first
least() {
	awk -F '\t' '!($1 in m) { order[++k] = $1; m[$1] = $2 } $2 < m[$1] { m[$1] = $2 }
		END { for (i = 1; i <= k; i++) printf "%-28s %8d %8.2f\n", order[i], m[order[i]], m[order[i]] / m[order[1]] }' "$1"
}
head -1 "$work/made"
echo "least of $rounds rounds        ns user CPU a packet, ratio"
least "$work/dns"
echo "$datagrams datagrams of NetFlow 5  ns user CPU a flow, ratio"
least "$work/flow"
