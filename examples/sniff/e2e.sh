#!/usr/bin/env bash
# Runs sniff on a pair of interfaces of a network namespace, with traffic from tcpreplay: at 200,000 packets a second nothing is
# lost, and at any speed what was seen and what was dropped adds up. Called by .ci/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || ! command -v tcpreplay >/dev/null; then
	echo "sniff: skipped, it needs root, iproute2 and tcpreplay"
	exit 0
fi

work=$(mktemp -d)
ns=visor-sniff-$$
if ! ip netns add "$ns"; then
	echo "sniff: skipped, there are no network namespaces here"
	exit 0
fi
trap 'ip netns del "$ns"; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; tail -n 3 "$work/out" >&2 || true; exit 1; }

CGO_ENABLED=0 go build -o "$work/sniff" ./examples/sniff
go run ./internal/trafficgen/cmd/trafficgen -kind varied -n 400000 -o "$work/dns.pcap" 2>/dev/null
in_ns() { ip netns exec "$ns" "$@"; }
in_ns ip link add name va type veth peer name vb
for name in va vb; do
	in_ns sysctl -qw "net.ipv6.conf.$name.disable_ipv6=1"
	in_ns ip link set "$name" up
done

# replay SPEED [FILTER] plays the file and sets seen and dropped to what sniff says at its end.
replay() {
	in_ns "$work/sniff" vb "${@:2}" >"$work/out" 2>&1 &
	local sniff=$!
	sleep 1
	in_ns tcpreplay -q "$1" -K -i va "$work/dns.pcap" >"$work/replay" 2>&1 || fail "tcpreplay: $(cat "$work/replay")"
	sleep 1
	in_ns pkill -INT -f "$work/sniff" || true
	wait "$sniff" || fail "sniff ended with $?"
	read -r seen _ dropped _ < <(tail -n 1 "$work/out")
	rate=$(grep -o '[0-9.]* pps' "$work/replay" | head -n 1)
}

for _ in 1 2 3; do # a machine that others use as well may stop the program for longer than its ring lasts
	replay --pps=200000
	[ "$dropped" != 0 ] || break
done
[ "$seen" = 400000 ] && [ "$dropped" = 0 ] || fail "at 200,000 packets a second: $seen seen, $dropped dropped"
grep -q "top names of two labels" "$work/out" || fail "no names"
echo "sniff: 400000 packets at $rate, none dropped"
replay --topspeed
[ "$seen" = 400000 ] || fail "at top speed: $seen packets seen and dropped, not 400000"
echo "sniff: 400000 packets at $rate, $dropped dropped"
replay --pps=100000 udp port 53 and ip
want=$(go run ./examples/visor-reader -b "udp port 53 and ip" --periods 1 --format json "$work/dns.pcap" | grep -o '"total":[0-9]*,"udp"' | head -n 1 | tr -dc 0-9)
[ "$seen" = "$want" ] || fail "with a filter: $seen packets seen, where the same filter lets $want through from the file"
echo "sniff: $seen of 400000 packets pass the filter in the kernel, as many as from the file"
