// Package policy runs pktvisor's policies: the keys, value types and error texts are those that its
// users know.
//
//	doc, err := policy.Parse(yaml)
//	...
//	m := policy.NewManager(policy.ManagerConfig{})
//	defer m.Close()
//	err = m.Load(doc)
//	...
//	snap, err := m.Policy("default").Window(5)
//
// [Parse] reads a document of taps and policies, in YAML or JSON. What pktvisor refuses is an
// error, with pktvisor's text, the place and the nearest name that is known. What pktvisor passes
// over in silence, and what can never work, is a warning with the same. A [Manager] opens inputs,
// attaches the handlers of policies and takes them away again, while traffic flows; policies with
// the same input share it. A policy can take the place of another without a gap, and a document
// that of a former one; a policy with lease_secs in its config ends when nobody has asked for it
// for so long. [Build] makes a single handler from the types of [Builtin], without a document.
package policy
