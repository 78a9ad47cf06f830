package segment

import "math"

// A series is a list of values that mostly grow by about as much each time:
// times, seqs, the rows of a run. It is stored as the values at every 64th place
// and the last, which are called anchors, and of each value how far it lies from
// the line through its anchors. Both are packed:
//
//	anchors less base | values less (line plus low)
//
// each from a whole byte on. All sums wrap around at 64 bits, so that any values
// can be stored.
type series struct {
	b           []byte
	base        uint64
	low         int64 // the smallest distance from the line
	anchorWidth int
	width       int
	n           int
}

const anchorShift = 6

// anchorsOf returns how many anchors n values have.
func anchorsOf(n int) int {
	if n == 0 {
		return 0
	}
	count := (n-1)>>anchorShift + 1
	if (n-1)&(1<<anchorShift-1) != 0 {
		count++
	}
	return count
}

// onLine returns what lies at place k between two anchors, span places apart.
func onLine(from, to uint64, k, span int) uint64 {
	if span == 1<<anchorShift {
		return from + uint64(int64(to-from)*int64(k)>>anchorShift)
	}
	return from + uint64(int64(to-from)*int64(k)/int64(span))
}

// encodeSeries appends values, which lie at or above base, to dst; what it
// returns reads them.
func encodeSeries(dst []byte, values []uint64, base uint64) ([]byte, series) {
	s := series{base: base, n: len(values)}
	if s.n == 0 {
		return dst, s
	}
	var most uint64
	for i := 0; i < s.n; i += 1 << anchorShift {
		most = max(most, values[i]-base)
	}
	most = max(most, values[s.n-1]-base)
	s.anchorWidth = widthOf(most)
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	each := func(do func(distance int64)) {
		for from := 0; from < s.n; from += 1 << anchorShift {
			span := min(1<<anchorShift, s.n-1-from)
			a, b := values[from], values[from+span]
			do(0)
			for k := 1; k < 1<<anchorShift && from+k < s.n; k++ {
				do(int64(values[from+k] - onLine(a, b, k, span)))
			}
		}
	}
	each(func(d int64) { low, high = min(low, d), max(high, d) })
	s.low, s.width = low, widthOf(uint64(high)-uint64(low))
	p := packer{dst: dst, width: s.anchorWidth}
	for i := 0; i < s.n; i += 1 << anchorShift {
		p.put(values[i] - base)
	}
	if (s.n-1)&(1<<anchorShift-1) != 0 {
		p.put(values[s.n-1] - base)
	}
	p = packer{dst: p.finish(), width: s.width}
	each(func(d int64) { p.put(uint64(d) - uint64(low)) })
	return p.finish(), s
}

// size returns how many bytes the values take.
func (s *series) size() int {
	return packedSize(anchorsOf(s.n), s.anchorWidth) + packedSize(s.n, s.width)
}

// rest returns where the distances begin.
func (s *series) rest() int { return packedSize(anchorsOf(s.n), s.anchorWidth) }

// atRest returns value i; rest is where the distances begin.
func (s *series) atRest(i int, rest []byte) uint64 {
	from, k := i>>anchorShift, i&(1<<anchorShift-1)
	v := s.base + unpack(s.b, from, s.anchorWidth)
	if k != 0 {
		span := min(1<<anchorShift, s.n-1-from<<anchorShift)
		v = onLine(v, s.base+unpack(s.b, from+1, s.anchorWidth), k, span)
	}
	return v + uint64(s.low) + unpack(rest, i, s.width)
}

// search returns the place of the first value at or above one, of values that
// ascend: first among the anchors, which lie together, then between two of them.
func (s *series) search(value int64, rest []byte) int {
	group, groups := 0, s.n>>anchorShift
	for group < groups {
		if i := int(uint(group+groups) >> 1); int64(s.base+unpack(s.b, i+1, s.anchorWidth)) < value {
			group = i + 1
		} else {
			groups = i
		}
	}
	from := group << anchorShift
	span := min(1<<anchorShift, s.n-1-from)
	if span <= 0 {
		if span < 0 || int64(s.base+unpack(s.b, group, s.anchorWidth)+uint64(s.low)+unpack(rest, from, s.width)) >= value {
			return from
		}
		return from + 1
	}
	a, b := s.base+unpack(s.b, group, s.anchorWidth), s.base+unpack(s.b, group+1, s.anchorWidth)
	lo, hi := 0, span+1
	for lo < hi {
		k := int(uint(lo+hi) >> 1)
		if int64(onLine(a, b, k, span)+uint64(s.low)+unpack(rest, from+k, s.width)) < value {
			lo = k + 1
		} else {
			hi = k
		}
	}
	return from + lo
}

// appendBetween appends those of values that ascend that are at least one and below
// another.
func (s *series) appendBetween(dst []uint32, from, to uint64) []uint32 {
	rest := s.b[s.rest():]
	i := 0
	if from > 0 {
		i = s.search(int64(from), rest)
	}
	for i < s.n {
		group, k := i>>anchorShift, i&(1<<anchorShift-1)
		a := s.base + unpack(s.b, group, s.anchorWidth)
		span := min(1<<anchorShift, s.n-1-group<<anchorShift)
		b := a
		if span > 0 {
			b = s.base + unpack(s.b, group+1, s.anchorWidth)
		}
		for ; k < 1<<anchorShift && i < s.n; i, k = i+1, k+1 {
			v := a
			if k > 0 {
				v = onLine(a, b, k, span)
			}
			if v += uint64(s.low) + unpack(rest, i, s.width); v >= to {
				return dst
			}
			dst = append(dst, uint32(v))
		}
	}
	return dst
}
