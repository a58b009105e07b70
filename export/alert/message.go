package alert

import (
	"slices"
	"time"

	"visor/export/findings"
)

// Status is the state of an alert.
type Status string

// The states of an alert.
const (
	Fired    Status = "fired"
	Resolved Status = "resolved"
)

// Message reports that an alert fired or was resolved. As JSON it is the body of a webhook. It is
// immutable.
type Message struct {
	ID       string            `json:"id"`  // the same in each attempt to send this message
	Key      string            `json:"key"` // only both messages of an episode have it
	Status   Status            `json:"status"`
	Agent    string            `json:"agent,omitempty"`
	Labels   map[string]string `json:"labels"`   // what its findings have in common
	Severity findings.Severity `json:"severity"` // of the most urgent finding
	Since    time.Time         `json:"since"`    // start of the first period that shows it
	Until    time.Time         `json:"until"`    // end of the last period that shows it, so far
	Text     string            `json:"text"`     // of the most urgent finding
	// at most 4 findings with their evidence, the most urgent first, and the number of further ones
	Findings []findings.Finding `json:"findings"`
	More     int                `json:"more"`
}

// maxFindings is the number of findings in a message.
const maxFindings = 4

// newMessage returns a message about one or more findings.
func newMessage(status Status, key, agent string, labels map[string]string, found []findings.Finding) *Message {
	found = findings.Sorted(found)
	m := &Message{
		ID: key + "/" + string(status), Key: key, Status: status, Agent: agent, Labels: labels,
		Severity: found[0].Severity, Since: found[0].Since, Until: found[0].Until, Text: found[0].Text,
	}
	for i := range found {
		if found[i].Since.Before(m.Since) {
			m.Since = found[i].Since
		}
		if found[i].Until.After(m.Until) {
			m.Until = found[i].Until
		}
	}
	n := min(maxFindings, len(found))
	m.Findings, m.More = slices.Clip(found[:n]), len(found)-n
	return m
}

// size returns about the number of bytes that the message occupies.
func (m *Message) size() int {
	n := 512 + len(m.Key) + len(m.Text)
	for i := range m.Findings {
		n += findingSize(&m.Findings[i])
	}
	return n
}

const partSize = 48 // bytes of a findings.Part without its name

func findingSize(f *findings.Finding) int {
	n := 512 + len(f.Key) + len(f.Subject) + len(f.Text) + 64*len(f.Figures)
	for _, e := range f.Evidence.Examples {
		n += 16 + len(e)
	}
	for _, list := range [][]findings.Part{f.Evidence.Clients, f.Evidence.Subnets, f.Evidence.AS, f.Evidence.Shares} {
		n += partsSize(list)
	}
	for _, l := range f.Evidence.Lists {
		n += 64 + partsSize(l.Items)
	}
	return n
}

func partsSize(list []findings.Part) (n int) {
	for i := range list {
		n += partSize + len(list[i].Name)
	}
	return n
}
