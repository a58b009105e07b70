// Package export writes a [handler.Snapshot] as JSON or text.
//
//	snap, err := pipeline.Window(5)
//	...
//	err = export.WriteJSON(os.Stdout, snap)
//	err = export.WriteText(os.Stdout, snap, export.TextConfig{Width: 80, Color: true})
//
// JSON matches pktvisor's keys and structure, so its consumers work unchanged. Text is for
// terminals. [Families] is the flat form with pktvisor's names and labels from which
// visor/export/prom and visor/export/otlp write their formats.
package export
