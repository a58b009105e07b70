//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package pcapfile

import "os"

// mapFile returns false: on this system files are read as streams.
func mapFile(*os.File) ([]byte, bool) { return nil, false }

func unmap([]byte) {}

func dropPages([]byte) {}

func sizer(*os.File) func() (int64, bool) { return nil }
