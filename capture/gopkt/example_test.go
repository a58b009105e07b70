package gopkt_test

import (
	"bytes"
	"fmt"

	"github.com/google/gopacket/pcapgo"

	"visor/capture"
	"visor/capture/gopkt"
	"visor/capture/pcapfile"
)

func Example() {
	var file bytes.Buffer
	w, _ := pcapfile.NewWriter(&file, pcapfile.WriterConfig{Link: 1})
	_ = w.WriteFrame(capture.Frame{TimeNS: 42, Data: []byte("a frame"), Link: 1})
	_ = w.Flush()

	reader, err := pcapgo.NewReader(&file) // or a libpcap handle, a PF_RING ring, …
	if err != nil {
		panic(err)
	}
	src, err := gopkt.NewRecording(reader, gopkt.Config{Batch: capture.BatchSize})
	if err != nil {
		panic(err)
	}
	defer src.Close()
	var b capture.Batch
	for src.ReadBatch(&b) == nil {
		for _, f := range b.Frames {
			fmt.Printf("%d %s\n", f.TimeNS, f.Data)
		}
	}
	// Output: 42 a frame
}
