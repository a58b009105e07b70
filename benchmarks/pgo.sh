#!/usr/bin/env bash
# Writes examples/visor-reader/default.pgo, the profile that go build uses for visor-reader: the
# analyzers and decoders at work on generated traffic, with pktvisor's groups and with visor's own.
# The traffic is the same each time, the samples are not: benchmarks/pgo.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go test ./benchmarks -run xxx -bench 'Whole/(varied|mixed)/own-networks/(workers=1|own-groups)$' -benchtime 4x \
	-o "$work/test" -cpuprofile "$work/cpu"
# what made the traffic is not in the programs
go tool pprof -proto -ignore 'trafficgen|testing\.' -output examples/visor-reader/default.pgo "$work/test" "$work/cpu"
