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

func newValueList(limit int) *valueList { return &valueList{limit: limit, most: mostEntries} }

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
		l.entries = append(l.entries, l.entry(value, row))
	}
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

// sort sorts by value, then row, and returns where each value begins.
func (l *valueList) sort() (starts []int) {
	l.radix()
	longer := func(a, b entry) int { return strings.Compare(l.long[a.long], l.long[b.long]) }
	for from := 0; from < len(l.entries); {
		to := from + 1
		for to < len(l.entries) && l.entries[to].key == l.entries[from].key {
			to++
		}
		starts = append(starts, from)
		if group := l.entries[from:to]; group[0].key&0xff == longKey {
			slices.SortStableFunc(group, longer)
			for i := 1; i < len(group); i++ {
				if longer(group[i-1], group[i]) != 0 {
					starts = append(starts, from+i)
				}
			}
		}
		from = to
	}
	return starts
}

// radix sorts by key, byte by byte from the last on, and leaves equal ones as they are.
func (l *valueList) radix() {
	var differ uint64
	for i := range l.entries {
		differ |= l.entries[i].key ^ l.entries[0].key
	}
	from, to := l.entries, make([]entry, len(l.entries))
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var next [256]int
		for i := range from {
			next[from[i].key>>shift&0xff]++
		}
		at := 0
		for c, n := range next {
			next[c] = at
			at += n
		}
		for i := range from {
			c := from[i].key >> shift & 0xff
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
	starts := l.sort()
	size := 0
	var value []byte
	for _, at := range starts {
		value = l.value(value[:0], &l.entries[at])
		size += len(value)
	}
	if size > l.limit {
		return nil, false
	}
	var rows []uint32
	i := 0
	return encodeTerms(w, z, len(starts), l.skipped, func() ([]byte, []uint32) {
		end := len(l.entries)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		group := l.entries[starts[i]:end]
		i++
		value, rows = l.value(value[:0], &group[0]), rows[:0]
		for k := range group {
			if n := len(rows); n == 0 || rows[n-1] != group[k].row {
				rows = append(rows, group[k].row)
			}
		}
		return value, rows
	}), true
}
