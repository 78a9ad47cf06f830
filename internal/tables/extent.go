package tables

// Extent is how far something reaches that is saved. Two that are equal say the same.
type Extent struct {
	asOf          uint64
	files         int // with records
	rows, indexed int // of files that are not sealed, and of these those that have an index
}

// Extent returns how far the cut reaches.
func (c *Cut) Extent() Extent {
	of := Extent{asOf: c.asOf, files: len(c.files)}
	for i := range c.files {
		if f := &c.files[i]; f.index == nil {
			of.rows += f.rows.n
			of.indexed += Indexed(f.parts)
		}
	}
	return of
}

// Extent returns how far tables reach that were just read, if what was saved says all
// there is.
func (t *Tables) Extent() (of Extent, ok bool) {
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

// Grown returns how many bytes of text were taken in since the tables were made or
// read.
func (t *Tables) Grown() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grown
}
