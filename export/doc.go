// Package export writes a [handler.Snapshot] in the formats that others read.
//
//	snap, err := pipeline.Bucket(0)
//	...
//	err = export.WriteJSON(os.Stdout, snap)
//	err = export.WriteText(os.Stdout, snap, export.TextConfig{Width: 80, Color: true})
//
// JSON has the keys and the shape of pktvisor, whose consumers read it unchanged. Text is for people. [Families] are what the formats of
// monitoring share, which visor/export/prom and visor/export/otlp write: names and labels of pktvisor, flat.
package export
