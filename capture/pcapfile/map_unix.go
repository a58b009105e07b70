//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package pcapfile

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps f into memory for sequential reading. It returns false if f must be read as a
// stream.
func mapFile(f *os.File) ([]byte, bool) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= 0 || info.Size() > math.MaxInt {
		return nil, false
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, false
	}
	_ = unix.Madvise(data, unix.MADV_SEQUENTIAL) // only advice
	return data, true
}

// sizer returns a function that returns the size of f while f is open. Unlike Stat, the function
// does not allocate.
func sizer(f *os.File) func() (int64, bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return func() (int64, bool) { return 0, false }
	}
	var st unix.Stat_t
	stat := func(fd uintptr) { err = unix.Fstat(int(fd), &st) }
	return func() (int64, bool) {
		closed := conn.Control(stat)
		return st.Size, err == nil && closed == nil
	}
}

func unmap(data []byte) { _ = unix.Munmap(data) }

// dropPages releases the memory of data to the system. Later accesses read the pages from the file
// again.
func dropPages(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
