#!/usr/bin/env bash
# table.sh [ROUNDS [OUT [TREE...]]]: all rows of results/table.txt in one run: benchmarks of the pipeline and of sources, the
# whole visor-reader on files, its start-up and its size. OUT gets a file for each TREE, in the format of go test -bench;
# several trees run in turns, and benchstat compares them. The default is this tree, six rounds. As root it measures
# AF_PACKET in a namespace, too. Nothing else may run meanwhile.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
rounds=${1:-6}
out=${2:-$(mktemp -d)}
shift $(($# < 2 ? $# : 2))
trees=("${@:-$here}")
packets=1000000
work=$(mktemp -d)
trap 'rm -rf "$work"; ip netns del visor-table 2>/dev/null || true' EXIT
mkdir -p "$out"
[ "$(id -u)" != 0 ] || ip netns add visor-table

rows=(
	'Whole/varied/gopacket-decode-only$|Whole/(varied|mixed)/own-networks/workers=1$'
	'Workers|Handler/(all|both)$|Queried'
	'FlowInterfaces/1$|FlowAttack'
	'DnstapSocket|DnstapOffered'
	'Keys/(1000|10000000)$'
)

for kind in varied mixed; do
	(cd "$here" && go run ./internal/trafficgen/cmd/trafficgen -kind $kind -n $packets -o "$work/$kind.pcap" 2>/dev/null)
done
(cd "$here" && go run ./internal/trafficgen/cmd/trafficgen -kind varied -n 100 -o "$work/small.pcap" 2>/dev/null)
for i in "${!trees[@]}"; do
	mkdir "$work/$i"
	cd "${trees[i]}"
	for p in benchmarks capture capture/dnstap; do
		go test -c -o "$work/$i/${p//\//_}" "./$p"
	done
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$work/$i/visor-reader" ./examples/visor-reader
done

# timed NAME N UNIT COMMAND: a line with the user and system CPU time and the elapsed time of a command, ns divided by N
timed() {
	local name=$1 n=$2 unit=$3 seconds
	shift 3
	TIMEFORMAT='%3U %3S %3R'
	seconds=$({ time "$@" >/dev/null 2>&1; } 2>&1)
	awk -v s="$seconds" -v n="$n" -v unit="$unit" -v name="$name" 'BEGIN { split(s, t, " ")
		printf "Benchmark%s 1 %.1f user-%s %.1f sys-%s %.1f %s\n", name, t[1]*1e9/n, unit, t[2]*1e9/n, unit, t[3]*1e9/n, unit }'
}

# tree I: one round of the tree number I
tree() {
	local bin=$work/$1 dir=${trees[$1]}
	cd "$dir/benchmarks"
	for row in "${rows[@]}"; do
		"$bin/benchmarks" -test.run '^$' -test.bench "$row" -test.benchtime 1x
	done
	[ "$(id -u)" != 0 ] || ip netns exec visor-table env VISOR_TEST_NAMESPACE=1 "$bin/benchmarks" -test.run '^$' -test.bench 'Live$' -test.benchtime 1x
	cd "$dir/capture"
	"$bin/capture" -test.run '^$' -test.bench FeedAccepted -test.benchtime 20ms
	cd "$dir/capture/dnstap"
	"$bin/capture_dnstap" -test.run '^$' -test.bench 'File$|Listener$' -test.benchtime 20ms
	local format=pktvisor # only pktvisor's groups of metrics, which is all that old readers have
	"$bin/visor-reader" -h 2>&1 | grep -q 'json|pktvisor' || format=json
	for kind in varied mixed; do
		timed "Reader/$kind" $packets ns/pkt "$bin/visor-reader" -j 1 --format $format -H 192.0.2.0/24,2001:db8:53::/48 "$work/$kind.pcap"
		timed "Reader/$kind/jobs=2" $packets ns/pkt "$bin/visor-reader" -j 2 --format $format -H 192.0.2.0/24,2001:db8:53::/48 "$work/$kind.pcap"
	done
	for _ in 1 2 3 4 5; do
		timed Start 1000000 ms "$bin/visor-reader" --format json "$work/small.pcap"
	done
	echo "BenchmarkSize 1 $(stat -c %s "$bin/visor-reader") bytes"
}

for round in $(seq "$rounds"); do
	for i in "${!trees[@]}"; do
		tree "$i" | grep -vE '^(PASS|ok)' >>"$out/$(basename "${trees[i]}").txt"
		echo "round $round of $rounds: ${trees[i]}" >&2
	done
done
echo "$out" >&2
