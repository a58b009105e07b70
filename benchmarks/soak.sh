#!/usr/bin/env bash
# Attacks visord for MINUTES with everything that internal/attack has, beside ordinary DNS traffic
# whose answers are known, in a cgroup of 512 MB: benchmarks/soak.sh MINUTES. Policies of dns and net
# have all metric groups, visor's own too. It prints a line per minute and fails if the agent dies,
# exceeds 400 MB, or answers wrongly. It needs root and iproute2.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-10}
work=$(mktemp -d)
ns=visor-soak-$$
group=visor-soak-$$
agent=""

cleanup() {
	[ -z "$agent" ] || kill "$agent" 2>/dev/null || true
	wait 2>/dev/null || true
	ip netns del "$ns" 2>/dev/null || true
	rmdir "/sys/fs/cgroup/memory/$group" "/sys/fs/cgroup/$group" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

CGO_ENABLED=0 go build -o "$work/visord" ./examples/visord
CGO_ENABLED=0 go build -o "$work/soak" ./internal/attack/cmd/soak

ip netns add "$ns"
in_ns() { ip netns exec "$ns" "$@"; }
in_ns ip link set lo up
in_ns ip link add name outside type veth peer name inside
for name in outside inside; do
	in_ns sysctl -qw "net.ipv6.conf.$name.disable_ipv6=1"
	in_ns ip link set "$name" up
done

if [ -d /sys/fs/cgroup/memory ]; then # version 1
	mkdir "/sys/fs/cgroup/memory/$group"
	echo 512M >"/sys/fs/cgroup/memory/$group/memory.limit_in_bytes"
	members=/sys/fs/cgroup/memory/$group/cgroup.procs
else
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir "/sys/fs/cgroup/$group"
	echo 512M >"/sys/fs/cgroup/$group/memory.max"
	echo 0 >"/sys/fs/cgroup/$group/memory.swap.max" 2>/dev/null || true
	members=/sys/fs/cgroup/$group/cgroup.procs
fi

cat >"$work/visord.yaml" <<'CONFIG'
visor:
  config: {admin_api: true, pprof: true, host: 127.0.0.1, port: 10853}
  taps:
    wire: {input_type: pcap, config: {iface: inside, host_spec: 198.51.100.0/24}}
    flows: {input_type: flow, config: {bind: 127.0.0.1, port: 2055, flow_type: netflow}}
  policies:
    clean:  {kind: collection, input: {tap: wire, input_type: pcap, filter: {bpf: net 192.0.2.0/24}}, handlers: {modules: {dns: {type: dns, metric_groups: &all {enable: [everything]}}, net: {type: net, metric_groups: *all}}}}
    first:  {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net, metric_groups: *all}, dns: {type: dns, metric_groups: *all}, dhcp: {type: dhcp}, bgp: {type: bgp}, pcap: {type: pcap}}}}
    second: {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {net: {type: net, require_version: "2.0", metric_groups: *all}, dns: {type: dns, require_version: "2.0", metric_groups: *all}}}}
    failed: {kind: collection, input: {tap: wire, input_type: pcap}, handlers: {modules: {dns: {type: dns, filter: {only_rcode: 3}}}}}
    routed: {kind: collection, input: {tap: flows, input_type: flow}, handlers: {modules: {flow: {type: flow}}}}
CONFIG
(echo "$BASHPID" >"$members" && exec ip netns exec "$ns" "$work/visord" --config "$work/visord.yaml") >"$work/log" 2>&1 &
agent=$!
for _ in $(seq 100); do
	in_ns curl -sf http://127.0.0.1:10853/healthz >/dev/null && break
	kill -0 "$agent" || { cat "$work/log"; exit 1; }
	sleep 0.2
done
pid=$(ip netns pids "$ns" | head -n 1)
if ! in_ns "$work/soak" -i outside -pid "$pid" -minutes "$minutes" "${@:2}"; then
	tail -n 20 "$work/log"
	exit 1
fi
kill -TERM "$agent"
wait "$agent" || { echo "visord ended with $?"; tail -n 20 "$work/log"; exit 1; }
agent=""
