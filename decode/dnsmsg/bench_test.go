package dnsmsg_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"visor/decode/dnsmsg"
	"visor/decode/dnsmsg/suffix"
)

// manyQueries returns 8192 queries for names of 2 to 5 labels and about 12 to 60 bytes. Every other
// query has an OPT record with a client subnet.
func manyQueries() []dnsmsg.Message {
	rnd := rand.New(rand.NewPCG(1, 2))
	msgs := make([]dnsmsg.Message, 8192)
	for i := range msgs {
		b := header(uint16(i), 0x0100, 1, 0, 0, uint16(i&1))
		for range 1 + rnd.IntN(4) {
			b = appendRandomLabel(b, 2+rnd.IntN(14), rnd)
		}
		b = append(b, "\x03com\x00\x00\x01\x00\x01"...)
		if i&1 == 1 {
			b = append(b, optRecord(option(8, "\x00\x01\x18\x00\xC0\x00\x02"))...)
		}
		msgs[i] = b
	}
	return msgs
}

func appendRandomLabel(b []byte, n int, rnd *rand.Rand) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b = append(b, byte(n))
	for range n {
		b = append(b, letters[rnd.IntN(len(letters))])
	}
	return b
}

// perMessage runs do for each of msgs and reports the time per message.
func perMessage(b *testing.B, msgs []dnsmsg.Message, do func(dnsmsg.Message)) {
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range msgs {
			do(m)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/msg")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkAppendQuestion(b *testing.B) {
	name := make([]byte, 0, 1024)
	perMessage(b, manyQueries(), func(m dnsmsg.Message) {
		msg, err := dnsmsg.Parse(m)
		if err != nil || msg.Response() {
			b.Fatal("no query")
		}
		if name, _, err = msg.AppendQuestion(name[:0]); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkClientSubnet(b *testing.B) {
	found := 0
	perMessage(b, manyQueries(), func(m dnsmsg.Message) {
		if _, ok := m.ClientSubnet(); ok {
			found++
		}
	})
	if found == 0 {
		b.Fatal("none found")
	}
}

func BenchmarkRecords(b *testing.B) {
	msg := dnsmsg.Message(response())
	for b.Loop() {
		n := 0
		for rr := msg.Records(); rr.Next(); {
			n += len(rr.Data())
		}
		if n == 0 {
			b.Fatal("no data")
		}
	}
}

func BenchmarkAggregate(b *testing.B) {
	names := make([][]byte, 8192)
	for i, m := range manyQueries() {
		names[i], _, _ = m.AppendQuestion(nil)
	}
	b.ReportAllocs()
	sum := 0
	for b.Loop() {
		for _, name := range names {
			two, three := dnsmsg.Aggregate(name, 0)
			sum += len(two) + len(three)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(names)), "ns/name")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkSuffixLen(b *testing.B) {
	names := [][]byte{[]byte("www.google.co.uk"), []byte("a-rather-long-host-name.region.example.com")}
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			suffix.Len(name)
		}
	}
}

func BenchmarkFramer(b *testing.B) {
	var stream []byte
	msgs := manyQueries()
	for _, m := range msgs {
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(m))), m...)
	}
	var f dnsmsg.Framer
	b.ReportAllocs()
	for b.Loop() {
		f.Reset()
		for at := 0; at < len(stream); at += 1460 {
			f.Feed(stream[at:min(at+1460, len(stream))])
			for f.Next() {
				_ = f.Message()
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(msgs)), "ns/msg")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGopacket is for orientation: the same queries through gopacket's decoder, all of each.
func BenchmarkGopacket(b *testing.B) {
	var dns layers.DNS
	perMessage(b, manyQueries(), func(m dnsmsg.Message) {
		if err := dns.DecodeFromBytes(m, gopacket.NilDecodeFeedback); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkFramerSearch measures the search for a message per byte, in zeros and in data made to be
// costly.
func BenchmarkFramerSearch(b *testing.B) {
	for _, bench := range []struct {
		name string
		data []byte
	}{{"zeros", make([]byte, 1270)}, {"decoys", decoys(1270)}} {
		b.Run(bench.name, func(b *testing.B) {
			var f dnsmsg.Framer
			f.Limit(new(dnsmsg.Searches))
			b.SetBytes(int64(len(bench.data)))
			for b.Loop() {
				f.Reset() // the search in a stream ends after 256 KiB
				f.Lost()
				f.Feed(bench.data)
				if f.Next() {
					b.Fatal("found a message")
				}
			}
		})
	}
}
