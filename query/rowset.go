package query

import (
	"math/bits"
	"slices"
)

// Sets of rows are ascending lists.

// intersect returns the rows that are in both.
func intersect(a, b []uint32) []uint32 {
	if len(a) > len(b) {
		a, b = b, a
	}
	out := a[:0:0]
	if len(b) > 16*len(a) {
		// Each row of the short list is looked up in what is left of the long.
		for _, row := range a {
			n, found := slices.BinarySearch(b, row)
			if b = b[n:]; found {
				out = append(out, row)
			}
		}
		return out
	}
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// subtract returns the rows of a that are not in b, in the place of a.
func subtract(a, b []uint32) []uint32 {
	out := a[:0]
	for _, row := range a {
		for len(b) > 0 && b[0] < row {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != row {
			out = append(out, row)
		}
	}
	return out
}

// sorted puts rows of several lists, one after the other, in order, each once.
func sorted(rows []uint32, lists, all int) []uint32 { return sortedFrom(rows, lists, 0, all) }

// sortedFrom is sorted for rows from one up to another.
func sortedFrom(rows []uint32, lists, from, to int) []uint32 {
	if lists < 2 {
		return rows
	}
	// A bitmap takes a pass over all/64 words, sorting some 10 ns a row and more.
	if len(rows) < (to-from)/1024 {
		slices.Sort(rows)
		return slices.Compact(rows)
	}
	base := uint32(from)
	has := make([]uint64, (max(to-from, 0)+63)/64)
	for _, row := range rows {
		row -= base
		has[row>>6] |= 1 << (row & 63)
	}
	rows = rows[:0]
	for i, word := range has {
		for ; word != 0; word &= word - 1 {
			rows = append(rows, base+uint32(i<<6+bits.TrailingZeros64(word)))
		}
	}
	return rows
}
