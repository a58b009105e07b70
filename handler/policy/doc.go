// Package policy makes handlers from the configuration of pktvisor's policies: the keys, value types and
// error texts are those that its users know.
//
//	h, err := policy.Build(policy.Module{
//		Name: "my-dns", Type: "dns",
//		Config: policy.Options{"only_qtype": []string{"AAAA", "HTTPS"}},
//	}, policy.Env{})
//
// [Build] takes the handler types of [Builtin]. Types of the caller's own are built by a [Builder] in
// the same way.
package policy
