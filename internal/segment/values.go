package segment

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// valueList collects the values of one field and the rows that have them, and sorts
// them once all are there. A field is mostly indexed because it has many values, and a
// table of them would wait for memory at each.
type valueList struct {
	limit   int // of all terms, in bytes
	rows    int // there will be about so many
	most    int // entries
	entries []entry
	prefix  string   // that of all values
	shrunk  int      // how often it became shorter
	long    []string // the values that their key does not say
	skipped []uint32 // rows with a value that is too long
	table   *termTable
}

// entry is a value in a row. Keys are in the order of the values.
type entry struct {
	key  uint64 // the first 7 bytes behind the prefix, then how many there are, or longKey
	row  uint32
	long uint32 // index in long
}

const (
	keyText = 7
	longKey = 0xff
	// mostEntries is for how many values there is a list; those of a file with more, which
	// has arrays of them, are collected in a table that needs less for one more.
	mostEntries = 1 << 22
	// mostShrunk bounds how often all keys are made again.
	mostShrunk = 4
)

func newValueList(limit, rows int) *valueList {
	return &valueList{limit: limit, rows: rows, most: mostEntries}
}

// add says that a row has a value. Rows ascend; the value stays as it is.
func (l *valueList) add(value string, row uint32) {
	switch {
	case len(value) > maxTerm:
		if n := len(l.skipped); n == 0 || l.skipped[n-1] != row {
			l.skipped = append(l.skipped, row)
		}
	case l.table != nil:
		l.table.add(bytesOf(value), row)
	case len(l.entries) == l.most:
		l.table = newTermTable(l.limit)
		for i := range l.entries {
			l.table.add(l.value(nil, &l.entries[i]), l.entries[i].row)
		}
		l.entries, l.long = nil, nil
		l.table.add(bytesOf(value), row)
	default:
		if len(l.entries) == 0 {
			l.prefix = value
		} else if !strings.HasPrefix(value, l.prefix) {
			l.shrink(value)
		}
		if len(l.entries) == cap(l.entries) {
			l.grow(row)
		}
		l.entries = append(l.entries, l.entry(value, row))
	}
}

// grow makes room for as many entries as there will be if it goes on as up to row.
func (l *valueList) grow(row uint32) {
	const least = 1 << 10
	n, rows := uint64(len(l.entries)), uint64(l.rows)
	more := min(n*rows/(uint64(row)+1), rows)
	l.entries = slices.Grow(l.entries, int(max(more, n, least)))
}

// entry makes that of a value that begins with the prefix.
func (l *valueList) entry(value string, row uint32) entry {
	rest := value[len(l.prefix):]
	if len(rest) > keyText {
		l.long = append(l.long, value)
		return entry{binary.BigEndian.Uint64(bytesOf(rest[:keyText+1])) | longKey, row, uint32(len(l.long) - 1)}
	}
	var b [keyText + 1]byte
	copy(b[:], rest)
	b[keyText] = byte(len(rest))
	return entry{binary.BigEndian.Uint64(b[:]), row, 0}
}

// value appends that of an entry.
func (l *valueList) value(dst []byte, e *entry) []byte {
	size := e.key & 0xff
	if size == longKey {
		return append(dst, l.long[e.long]...)
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], e.key)
	return append(append(dst, l.prefix...), b[:size]...)
}

// shrink cuts the prefix to what a value has of it.
func (l *valueList) shrink(value string) {
	n := 0
	for n < len(l.prefix) && n < len(value) && l.prefix[n] == value[n] {
		n++
	}
	if l.shrunk++; l.shrunk > mostShrunk {
		n = 0
	}
	now := valueList{prefix: l.prefix[:n]}
	for i := range l.entries {
		e := &l.entries[i]
		*e = now.entry(string(l.value(nil, e)), e.row)
	}
	l.prefix, l.long = now.prefix, now.long
}

// sort sorts by value, then row, and returns how many values there are, and how many
// bytes they take.
func (l *valueList) sort() (values, size int) {
	l.radix()
	for from := 0; from < len(l.entries); {
		to := from + 1
		for to < len(l.entries) && l.entries[to].key == l.entries[from].key {
			to++
		}
		group := l.entries[from:to]
		if group[0].key&0xff != longKey {
			values++
			size += len(l.prefix) + int(group[0].key&0xff)
		} else {
			slices.SortStableFunc(group, func(a, b entry) int { return strings.Compare(l.long[a.long], l.long[b.long]) })
			for i := range group {
				if i == 0 || !l.same(&group[i-1], &group[i]) {
					values++
					size += len(l.long[group[i].long])
				}
			}
		}
		from = to
	}
	return values, size
}

// same reports whether two entries are of one value.
func (l *valueList) same(a, b *entry) bool {
	return a.key == b.key && (a.key&0xff != longKey || l.long[a.long] == l.long[b.long])
}

// radix sorts by key, from its end on by one byte or, of many, two at a time, and leaves
// equal ones as they are.
func (l *valueList) radix() {
	var differ uint64
	for i := range l.entries {
		differ |= l.entries[i].key ^ l.entries[0].key
	}
	width := 8
	if len(l.entries) >= 1<<16 {
		width = 16
	}
	mask := uint64(1)<<width - 1
	from, to := l.entries, make([]entry, len(l.entries))
	next := make([]uint32, 1<<width)
	for shift := 0; shift < 64; shift += width {
		if differ>>shift&mask == 0 {
			continue
		}
		clear(next)
		for i := range from {
			next[from[i].key>>shift&mask]++
		}
		at := uint32(0)
		for c, n := range next {
			next[c] = at
			at += n
		}
		for i := range from {
			c := from[i].key >> shift & mask
			to[next[c]] = from[i]
			next[c]++
		}
		from, to = to, from
	}
	l.entries = from
}

// encode writes the column as a dictionary; ok is false when it would be too large.
func (l *valueList) encode(w *postingWriter, z *zstd.Encoder) (data []byte, ok bool) {
	if l.table != nil {
		l.table.unindexed = l.skipped
		return l.table.encode(w, z)
	}
	values, size := l.sort()
	if size > l.limit {
		return nil, false
	}
	var value []byte
	var rows []uint32
	i := 0
	return encodeTerms(w, z, values, l.skipped, func() ([]byte, []uint32) {
		first := &l.entries[i]
		value, rows = l.value(value[:0], first), rows[:0]
		for ; i < len(l.entries) && l.same(first, &l.entries[i]); i++ {
			if n := len(rows); n == 0 || rows[n-1] != l.entries[i].row {
				rows = append(rows, l.entries[i].row)
			}
		}
		return value, rows
	}), true
}
