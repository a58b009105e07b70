package httpapi

import (
	"maps"
	"slices"

	"visor/capture"
	"visor/export"
	"visor/export/alert"
	"visor/handler/metric"
)

// alerts returns the metrics of alerts and their receivers.
func (f *families) alerts(s alert.Stats) []export.Family {
	open := export.Family{Name: "visor_alerts_open", Help: "alerts that have fired and are not resolved", Type: export.Gauge}
	f.add(&open, s.Open, nil)
	quiet := export.Family{Name: "visor_alert_findings_without_alert_total", Help: "findings without an alert, by reason", Type: export.Counter}
	for _, r := range []capture.Reason{{Text: "below", Count: s.Below}, {Text: "silenced", Count: s.Silenced}, {Text: "cooled", Count: s.Cooled}, {Text: "dropped", Count: s.Dropped}} {
		f.add(&quiet, r.Count, nil, metric.Label{Name: "reason", Value: r.Text})
	}
	sent := export.Family{Name: "visor_alert_messages_total", Help: "messages to a receiver of alerts by outcome: sent, or refused, expired or overflowed, which are lost", Type: export.Counter}
	repeated := export.Family{Name: "visor_alert_repeats_total", Help: "further times that a receiver accepted alerts that last", Type: export.Counter}
	retries := export.Family{Name: "visor_alert_retries_total", Help: "failed attempts to send alerts, each of them with a further one", Type: export.Counter}
	pending := export.Family{Name: "visor_alert_pending", Help: "messages that wait for a receiver of alerts", Type: export.Gauge}
	for i := range s.Receivers {
		r := &s.Receivers[i]
		labels := []metric.Label{{Name: "receiver", Value: r.Name}}
		for _, result := range []capture.Reason{{Text: "sent", Count: r.Sent}, {Text: "refused", Count: r.Refused}, {Text: "expired", Count: r.Expired}, {Text: "overflowed", Count: r.Overflowed}} {
			f.add(&sent, result.Count, labels, metric.Label{Name: "result", Value: result.Text})
		}
		f.add(&repeated, r.Repeated, labels)
		f.add(&retries, r.Retries, labels)
		f.add(&pending, r.Pending, labels)
	}
	return []export.Family{open, quiet, sent, repeated, retries, pending}
}

// alertSchemas returns the schemas of the counts of alerts.
func alertSchemas() object {
	count, text := object{"type": "integer", "minimum": 0}, object{"type": "string"}
	record := func(description string, properties object) object {
		return object{"type": "object", "description": description, "properties": properties, "required": slices.Sorted(maps.Keys(properties)), "additionalProperties": false}
	}
	return object{
		"Alerts": record("Alerts that are open, findings without an alert by reason, and messages by receiver", object{
			"open": count, "below": count, "silenced": count, "cooled": count, "dropped": count,
			"receivers": object{"type": "array", "items": object{"$ref": "#/components/schemas/AlertReceiver"}},
		}),
		"AlertReceiver": record("What became of the messages for a receiver; refused, expired and overflowed ones are lost", object{
			"name": text, "type": text, "sent": count, "repeated": count, "retries": count, "refused": count, "expired": count, "overflowed": count, "pending": count,
		}),
	}
}
