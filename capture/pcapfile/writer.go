package pcapfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"visor/capture"
	"visor/decode"
)

// ErrLinkType is returned by [Writer.WriteFrame] for a frame with another link type than the file,
// because pcap has one link type per file.
var ErrLinkType = errors.New("pcapfile: frame of another link type than the file's")

// Format is the format of a file that a [Writer] writes.
type Format uint8

// Formats of a [Writer].
const (
	Pcap   Format = iota // one link type, set in WriterConfig; supported by every tool
	PcapNG               // any link types, one interface for each; nanoseconds
)

// WriterConfig configures a [Writer]. The zero WriterConfig writes pcap of link type 0, BSD
// loopback.
type WriterConfig struct {
	Format Format
	Link   decode.LinkType // Pcap: link type of all frames; PcapNG uses the link type of each frame
	// Pcap: truncate timestamps to microseconds, for tools without support for nanoseconds
	Micros  bool
	Snaplen int // maximum bytes written per frame; 0 means 262144
}

// Writer writes a capture file in little-endian order. It is owned by one goroutine.
type Writer struct {
	w     *bufio.Writer
	cfg   WriterConfig
	links []decode.LinkType // PcapNG: link types of the interfaces written
	buf   []byte
}

// NewWriter returns a Writer with the file header in its buffer. The caller keeps ownership of w.
func NewWriter(w io.Writer, cfg WriterConfig) (*Writer, error) {
	if cfg.Snaplen == 0 {
		cfg.Snaplen = maxPacket
	}
	if cfg.Snaplen < 0 || cfg.Snaplen > maxPacket {
		return nil, fmt.Errorf("pcapfile: snaplen %d is not in 1 to %d", cfg.Snaplen, maxPacket)
	}
	out := &Writer{w: bufio.NewWriterSize(w, 64*1024), cfg: cfg}
	switch cfg.Format {
	case Pcap:
		out.buf = out.appendHeader(out.buf)
	case PcapNG:
		out.buf = appendSection(out.buf)
	default:
		return nil, fmt.Errorf("pcapfile: format %d is not known", cfg.Format)
	}
	_, err := out.w.Write(out.buf)
	return out, err
}

// WriteFrame writes one frame, cut at the snaplen. It clamps timestamps to the range of the format:
// unsigned 32-bit seconds in pcap, unsigned 64-bit nanoseconds in pcapng. WriteFrame copies f. It
// returns [ErrLinkType], or the error of the underlying writer, which may belong to an earlier
// frame.
func (w *Writer) WriteFrame(f capture.Frame) error {
	data := f.Data[:min(len(f.Data), w.cfg.Snaplen)]
	f.WireLen = max(f.WireLen, uint32(min(uint64(len(f.Data)), math.MaxUint32)))
	if w.cfg.Format == PcapNG {
		return w.writeEnhanced(f, data)
	}
	if f.Link != w.cfg.Link {
		return ErrLinkType
	}
	sec, ns := pcapTime(f.TimeNS)
	if w.cfg.Micros {
		ns /= 1000
	}
	b := binary.LittleEndian.AppendUint32(w.buf[:0], sec)
	b = binary.LittleEndian.AppendUint32(b, ns)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	w.buf = binary.LittleEndian.AppendUint32(b, f.WireLen)
	return w.write(data, 0)
}

// Flush writes all buffered data to the underlying writer.
func (w *Writer) Flush() error { return w.w.Flush() }

// write writes w.buf without its last tail bytes, then data, then these tail bytes.
func (w *Writer) write(data []byte, tail int) error {
	head := len(w.buf) - tail
	if _, err := w.w.Write(w.buf[:head]); err != nil {
		return err
	}
	if _, err := w.w.Write(data); err != nil {
		return err
	}
	_, err := w.w.Write(w.buf[head:])
	return err
}

func (w *Writer) appendHeader(b []byte) []byte {
	magic := uint32(magicNanos)
	if w.cfg.Micros {
		magic = magicMicros
	}
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint16(b, 2) // version
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...) // reserved
	b = binary.LittleEndian.AppendUint32(b, uint32(w.cfg.Snaplen))
	return binary.LittleEndian.AppendUint32(b, uint32(w.cfg.Link))
}

// pcapTime returns the seconds and nanoseconds of a record.
func pcapTime(timeNS int64) (sec, ns uint32) {
	switch s := timeNS / 1e9; {
	case timeNS < 0:
		return 0, 0
	case s > math.MaxUint32:
		return math.MaxUint32, 999_999_999
	default:
		return uint32(s), uint32(timeNS % 1e9)
	}
}

func appendSection(b []byte) []byte {
	const size = 28
	b = binary.LittleEndian.AppendUint32(b, blockSection)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = binary.LittleEndian.AppendUint32(b, 1)              // version 1.0
	b = binary.LittleEndian.AppendUint64(b, math.MaxUint64) // unknown length
	return binary.LittleEndian.AppendUint32(b, size)
}

func (w *Writer) writeEnhanced(f capture.Frame, data []byte) error {
	const head = blockHeader + 20
	number, err := w.interfaceOf(f.Link)
	if err != nil {
		return err
	}
	pad := -len(data) & 3
	size := uint32(head + len(data) + pad + blockTrailer)
	ticks := uint64(max(f.TimeNS, 0))
	b := binary.LittleEndian.AppendUint32(w.buf[:0], blockEnhanced)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, uint32(ticks>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(ticks))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, f.WireLen)
	b = append(b, 0, 0, 0)[:head+pad]
	w.buf = binary.LittleEndian.AppendUint32(b, size)
	return w.write(data, pad+blockTrailer)
}

// interfaceOf returns the number of the interface for a link type. It writes an Interface
// Description Block for a new link type.
func (w *Writer) interfaceOf(link decode.LinkType) (uint32, error) {
	for i, known := range w.links {
		if known == link {
			return uint32(i), nil
		}
	}
	const size = 32
	b := binary.LittleEndian.AppendUint32(w.buf[:0], blockInterface)
	b = binary.LittleEndian.AppendUint32(b, size)
	b = binary.LittleEndian.AppendUint32(b, uint32(link))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.cfg.Snaplen))
	b = append(b, optionTimeUnit, 0, 1, 0, 9, 0, 0, 0) // nanoseconds
	b = append(b, optionEnd, 0, 0, 0)
	w.buf = binary.LittleEndian.AppendUint32(b, size)
	w.links = append(w.links, link)
	_, err := w.w.Write(w.buf)
	return uint32(len(w.links) - 1), err
}
