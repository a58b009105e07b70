//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package pcapfile

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps f into memory for reading from start to end. It returns false if f has to be read as
// a stream.
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

// sizer returns what tells the size of f, as long as f is open. It allocates nothing when it is
// called, unlike Stat.
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

// dropPages gives the memory of data back to the system, which reads it from the file again where
// it is still used.
func dropPages(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
