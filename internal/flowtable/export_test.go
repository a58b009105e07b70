package flowtable

// KnowSecret makes t place hashes as if odd were its secret. The table must be empty.
func (t *Table[V]) KnowSecret(odd uint64) { t.odd = odd }
