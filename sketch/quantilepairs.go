package sketch

// binPairs are the bins of a [Quantile] as they travel: the numbers of those in use, in ascending
// order, and their counts. They have 10 bytes for each bin in use, where octaves have 8 for every
// bin.
type binPairs struct {
	bins   []uint16
	counts []uint64
}

// all yields the sums of groups of width bins, with the first bin of each group. It returns false
// if yield does.
func (p *binPairs) all(width int, yield func(i int, n uint64) bool) bool {
	for j := 0; j < len(p.bins); {
		group, n := int(p.bins[j])/width, uint64(0)
		for ; j < len(p.bins) && int(p.bins[j])/width == group; j++ {
			n = sum(n, p.counts[j])
		}
		if !yield(group*width, n) {
			return false
		}
	}
	return true
}

// size returns the memory of the octaves for p in bytes.
func (p *binPairs) size() int {
	const octaveBytes = 8 * octBins
	octaves, last := 0, -1
	for _, i := range p.bins {
		if oct := int(i) / octBins; oct != last {
			octaves, last = octaves+1, oct
		}
	}
	return octaves * octaveBytes
}

// unfold moves the pairs of q into octaves, which change without a search.
func (q *Quantile) unfold() {
	if len(q.pairs.bins) == 0 {
		return
	}
	pairs := q.pairs
	q.pairs = binPairs{}
	q.addPairs(&pairs)
}

// addPairs adds the counts of pairs to octaves.
func (q *Quantile) addPairs(pairs *binPairs) {
	for j, i := range pairs.bins {
		c := q.octave(int(i) / octBins)
		c[i%octBins] = sum(c[i%octBins], pairs.counts[j])
	}
}
