package trafficgen

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	magicNanos = 0xA1B23C4D // classic pcap whose times are in ns
	snaplen    = 65_535
)

// WritePcap writes all frames of cfg to w, as a classic pcap file (little-endian, version 2.4,
// times in ns), and returns their Truth. It fails on a Config without end, before it writes, and on
// an error of w; then the Truth covers the frames written so far.
func WritePcap(w io.Writer, cfg Config) (Truth, error) {
	if cfg.Packets < 0 {
		return Truth{}, errors.New("trafficgen: write: the traffic has no end")
	}
	g := New(cfg)
	out := bufio.NewWriterSize(w, 1<<18)
	if _, err := out.Write(appendPcapHeader(nil)); err != nil {
		return g.truth, fmt.Errorf("trafficgen: write: %w", err)
	}
	buf := make([]byte, 16+MaxFrame)
	for {
		frame, ts, ok := g.Next(buf[16:])
		if !ok {
			break
		}
		putRecordHeader(buf, ts, len(frame))
		if _, err := out.Write(buf[:16+len(frame)]); err != nil {
			return g.truth, fmt.Errorf("trafficgen: write: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return g.truth, fmt.Errorf("trafficgen: write: %w", err)
	}
	return g.truth, nil
}

// WriteFile is WritePcap to a file, which it creates or replaces.
func WriteFile(path string, cfg Config) (Truth, error) {
	f, err := os.Create(path)
	if err != nil {
		return Truth{}, err
	}
	truth, err := WritePcap(f, cfg)
	return truth, errors.Join(err, f.Close())
}

func appendPcapHeader(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magicNanos)
	dst = append(dst, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, snaplen)
	return binary.LittleEndian.AppendUint32(dst, uint32(linkEthernet))
}

func putRecordHeader(b []byte, ts int64, n int) {
	binary.LittleEndian.PutUint32(b[0:], uint32(ts/1e9))
	binary.LittleEndian.PutUint32(b[4:], uint32(ts%1e9))
	binary.LittleEndian.PutUint32(b[8:], uint32(n))
	binary.LittleEndian.PutUint32(b[12:], uint32(n))
}
