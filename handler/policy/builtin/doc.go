// Package builtin lists the inputs and handlers that visor has for policies.
//
//	m := policy.NewManager(policy.ManagerConfig{Types: builtin.Catalog()})
//	doc, err := m.Types().Parse(yaml)
//
// A program adds its own types to the Catalog, see [policy.Catalog.Add] and [policy.DeclareInput],
// or builds a Catalog of only the types that it needs. Calling Catalog links all sources and
// analyzers, and calling Recordings only those for files. Package policy alone links none.
package builtin
