#!/usr/bin/env bash
# instructions.sh [BENCHMARK]: instructions, branches, mispredicted branches and misses of the first cache by function, in one run
# of a benchmark, by the simulator of Debian's valgrind. Unlike times, these figures are the same on a busy machine; and virtual
# machines have no hardware counters. The predictor is a simple one: its mispredictions are about twice those of a real processor.
set -euo pipefail
cd "$(dirname "$0")"
bench=${1:-Whole/varied/own-networks/workers=1\$}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is missing: apt-get install valgrind" >&2; exit 1; }
go test -c -tags valgrind -o "$dir/bench" .
GOGC=off valgrind -q --tool=cachegrind --branch-sim=yes --cache-sim=yes --cachegrind-out-file="$dir/out" \
	"$dir/bench" -test.run '^$' -test.bench "$bench" -test.benchtime 1x
cg_annotate --auto=no --show=Ir,Bc,Bcm,D1mr,D1mw --sort=Ir --threshold=0.05 "$dir/out" |
	grep -E '^ *Ir |visor/(capture|decode|handler|sketch|internal/flowtable)' | sed -E 's/[^ ]*\.go://'
