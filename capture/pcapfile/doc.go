// Package pcapfile reads and writes capture files. [Open] finds out by content what a file is; the
// [Reader] is a capture.Source:
//
//	r, err := pcapfile.Open("dns.pcapng")
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	var b capture.Batch
//	for {
//		if err := r.ReadBatch(&b); err == io.EOF {
//			return nil
//		} else if err != nil {
//			return err // *pcapfile.Error says where the file is damaged
//		}
//		analyse(b.Frames)
//	}
//
// Read are pcap (both byte orders, micro- and nanoseconds, Kuznetsov's variant, versions 2.0 to 2.4
// and their swapped lengths), pcapng (draft-ietf-opsawg-pcapng: sections of either byte order,
// interfaces of any link type, time resolution and offset; enhanced, simple and obsolete packet
// blocks) and snoop (RFC 1761), each plain or compressed by gzip, zstd or bzip2; also several files
// one after the other, as cat joins them. Times become nanoseconds, and stop at the ends of int64's
// range.
//
// A file is mapped into memory where the system can do that; its frames are slices of the map, and
// a packet costs little more than the cache miss on its header. Pipes, compressed files and other
// readers are read through one buffer that is reused. Neither allocates in the steady state.
//
// No length in a file is trusted. Every packet before a damage is given, then the error; what
// follows the damage is not searched for. Memory is bounded by the largest block that is accepted,
// 16 MiB.
//
// A file that becomes shorter while it is read ends with [capture.ErrShrunk], after what was read.
// Frames of a mapped file that a program still holds then must not be touched without
// [capture.GuardFaults]: the system would end it with SIGBUS. Pipelines and Fanout guard
// themselves. A file that grows is read up to the size that it had when it was opened.
package pcapfile
