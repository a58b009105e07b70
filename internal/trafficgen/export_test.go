package trafficgen

// Bare returns t without the counts of names and clients.
func (t Truth) Bare() Truth {
	t.gen, t.names, t.clients = nil, [3][]Count{}, nil
	return t
}
