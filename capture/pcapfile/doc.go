// Package pcapfile reads and writes capture files. [Open] detects the format of a file from its
// content. It returns a [Reader], which is a capture.Source:
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
//			return err // *capture.FileError has the offset of the damage
//		}
//		analyse(b.Frames)
//	}
//
// The package reads these formats, plain or compressed with gzip, zstd or bzip2, and concatenations
// of several files:
//
//   - pcap: both byte orders, micro- and nanoseconds, Kuznetsov's variant, and versions 2.0 to 2.4
//     with their swapped lengths
//   - pcapng (draft-ietf-opsawg-pcapng): both byte orders, interfaces of any link type, time
//     resolution and offset; enhanced, simple and obsolete packet blocks
//   - snoop (RFC 1761)
//
// Timestamps are converted to nanoseconds and clamped to the range of int64.
//
// A file is mapped into memory where the system supports it. Frames are slices of the map, and a
// packet costs little more than the cache miss on its header. Pipes, compressed files and other
// readers are read through one reused buffer. Neither way allocates in the steady state.
//
// The package trusts no length in a file. All packets before the damage are returned, then the
// error. The Reader does not search for packets behind it. Memory is bounded by the largest
// accepted block, 16 MiB.
//
// A file that is truncated while it is read ends with [capture.ErrShrunk], after the packets read
// so far. A program that still holds frames of such a mapped file must use [capture.GuardFaults]
// before it reads them. Otherwise the system ends the program with SIGBUS. Pipelines and Fanout
// protect themselves. If a file grows, the Reader ends at the size that the file had when it was
// opened.
package pcapfile
