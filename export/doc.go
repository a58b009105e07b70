// Package export writes a [handler.Snapshot] in the formats that others read.
//
//	snap, err := pipeline.Bucket(0)
//	...
//	err = export.WriteJSON(os.Stdout, snap)
//	err = export.WriteText(os.Stdout, snap, export.TextConfig{Width: 80, Color: true})
//
// JSON has the keys and the shape of pktvisor, whose consumers read it unchanged. Text is for people.
package export
