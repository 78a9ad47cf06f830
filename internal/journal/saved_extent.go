package journal

// extent tells whether there would be anything else to save.
type extent struct {
	asOf          uint64
	files         int // with records
	rows, indexed int // of files that are not sealed, and of these those that have an index
}

// extent returns how far the cut reaches.
func (c *cut) extent() extent {
	of := extent{asOf: c.asOf, files: len(c.files)}
	for i := range c.files {
		if f := &c.files[i]; f.index == nil {
			of.rows += f.rows.n
			of.indexed += indexedRows(f.parts)
		}
	}
	return of
}

// whole returns how far tables reach that were just read, if what was saved says all
// there is.
func (t *tables) whole() (of extent, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asOf != t.settled {
		return of, false
	}
	of.asOf = t.asOf
	for _, seg := range t.segments {
		if seg.lastSeq() != 0 {
			of.files++
		}
		if seg.index == nil {
			of.rows += seg.rows.n
			of.indexed += seg.indexed()
		}
	}
	return of, true
}

// grownBy returns how much text was taken in since the tables were made.
func (t *tables) grownBy() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grown
}
