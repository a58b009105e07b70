// Package policy runs pktvisor's policies, with pktvisor's keys, value types and error texts.
//
//	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
//	defer m.Close()
//	doc, err := m.Types().Parse(yaml)
//	...
//	err = m.Load(doc)
//	...
//	snap, err := m.Policy("default").Window(5)
//
// A [Catalog] lists the inputs and handlers that documents may name; package builtin has visor's.
// [Catalog.Parse] reads a document of taps and policies, in YAML or JSON. If pktvisor refuses
// something, it is an error, with pktvisor's text, the position and the nearest valid name.
// [Problems] returns all errors of a document. If pktvisor silently ignores something, or something
// can never work, it is one of the document's warnings, with the same data.
//
// A [Manager] opens inputs and attaches and detaches the handlers of policies under traffic.
// Policies with the same input share it. ReplacePolicy and Reload swap policies without losing
// traffic. A policy with lease_secs in its config ends when no client has queried it for that time.
// [Catalog.Build] makes a single handler, without a document.
package policy
