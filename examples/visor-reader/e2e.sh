#!/usr/bin/env bash
# Runs visor-reader as its users do: from a file, a pipe, compressed, several files, damaged ones,
# interrupted, and in a terminal. Called by .ci/run.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -o "$work/visor-reader" ./examples/visor-reader
CGO_ENABLED=0 go build -o "$work/trafficgen" ./internal/trafficgen/cmd/trafficgen
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }

./trafficgen -kind varied -n 20000 -o dns.pcap
./visor-reader --periods 1 --format json dns.pcap >one.json
grep -q '"events":20000' one.json || fail "20000 packets in: $(head -c 300 one.json)"

# of visor's own groups, lists that are full depend on the order of packets, within their error
./visor-reader --format pktvisor dns.pcap >one.json
for j in 1 2 3; do
	./visor-reader --format pktvisor -j "$j" dns.pcap >"j$j.json"
	cmp -s one.json "j$j.json" || fail "answers depend on -j $j"
done
./visor-reader --format pktvisor - <dns.pcap | cmp - one.json || fail "standard input differs"
gzip -k dns.pcap
./visor-reader --format pktvisor dns.pcap.gz | cmp - one.json || fail "gzip differs"

./visor-reader --format text dns.pcap | grep -q 'DNS' || fail "no text"

head -c 100000 dns.pcap >cut.pcap
code=0
./visor-reader cut.pcap >cut.json 2>cut.err || code=$?
[ "$code" = 1 ] || fail "a cut file gave exit code $code"
grep -q 'offset' cut.err || fail "no offset in: $(cat cut.err)"
grep -q '"events":' cut.json || fail "nothing shown of the cut file"

for args in "" "--periods x dns.pcap" "--no-such-flag dns.pcap" "-H 1.2.3.4 dns.pcap"; do
	code=0
	# shellcheck disable=SC2086 # words are meant to be split
	./visor-reader $args >out 2>err || code=$?
	[ "$code" = 2 ] || fail "'$args' gave exit code $code"
done
code=0
./visor-reader missing.pcap 2>err || code=$?
[ "$code" = 1 ] || fail "a missing file gave exit code $code"
./visor-reader -h | grep -q Examples || fail "-h does not teach"

mkfifo pipe
./visor-reader --periods 1 - <pipe >interrupted.json 2>interrupted.err &
reader=$!
exec 3>pipe
head -c 200000 dns.pcap >&3
sleep 1
kill -INT "$reader"
wait "$reader" || fail "Ctrl-C gave exit code $?"
exec 3>&-
grep -q '"events":' interrupted.json || fail "Ctrl-C lost the answer"

# Memory that is not the mapped file, on a file of 230 MB.
./trafficgen -kind varied -n 1500000 -o big.pcap
./visor-reader -j 2 big.pcap >big.json &
reader=$!
most=0
while status=$(cat "/proc/$reader/status" 2>/dev/null); do
	now=$(awk '/^RssAnon/ {print $2}' <<<"$status")
	[ "${now:-0}" -le "$most" ] || most=$now
done
wait "$reader" || fail "the big file gave exit code $?"
[ "$most" -gt 0 ] || fail "memory was not measured"
[ "$most" -lt 65536 ] || fail "$most KiB of memory besides the file"
echo "visor-reader: all well; $most KiB of memory besides a file of 230 MB"
