package pcapfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"visor/capture"
	"visor/capture/pcapfile"
)

func Example() {
	var file bytes.Buffer
	w, err := pcapfile.NewWriter(&file, pcapfile.WriterConfig{Link: 101, Snaplen: 10})
	if err != nil {
		panic(err)
	}
	_ = w.WriteFrame(capture.Frame{TimeNS: 1_700_000_000_123456789, Data: []byte("a raw IP packet"), Link: 101})
	_ = w.WriteFrame(capture.Frame{TimeNS: 1_700_000_001_000000000, Data: []byte("another"), Link: 101})
	if err := w.Flush(); err != nil {
		panic(err)
	}
	file.Truncate(file.Len() - 1) // the last byte is lost

	r, err := pcapfile.NewReader(&file, "example.pcap") // or Open, for a file on disk
	if err != nil {
		panic(err)
	}
	defer r.Close()
	var b capture.Batch
	for {
		if err = r.ReadBatch(&b); err != nil {
			break
		}
		for _, f := range b.Frames {
			fmt.Printf("%d %q of %d bytes\n", f.TimeNS, f.Data, f.WireLen)
		}
	}
	var damage *capture.FileError
	fmt.Println(err == io.EOF, errors.As(err, &damage), err)
	// Output:
	// 1700000000123456789 "a raw IP p" of 15 bytes
	// false true pcapfile: example.pcap: offset 50: packet data cut (6 of 7 bytes)
}
