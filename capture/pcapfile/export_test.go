package pcapfile

// OpenBytes returns a Reader of data as if it were a mapped file.
func OpenBytes(data []byte, path string) (*Reader, error) {
	r := newBytes(data, path)
	return r, r.detect()
}
