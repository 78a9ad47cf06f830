package journal

import sidecar "github.com/steplog/steplog/internal/segment"

// rowsIndex is the sidecar of some rows of a file.
type rowsIndex struct {
	from, to int
	index    *sidecar.Index
}

// indexedRows is how many rows parts cover, which follow each other from the first.
func indexedRows(parts []rowsIndex) int {
	if len(parts) == 0 {
		return 0
	}
	return parts[len(parts)-1].to
}

// indexed returns how many rows have an index. The caller holds tables.mu.
func (s *segment) indexed() int { return indexedRows(s.parts) }

// unindexed returns the rows of a file that are in the text, and the parts of
// them that have an index; none of a sealed one.
func (t *tables) unindexed(seg *segment) (view rows, parts []rowsIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.index != nil || seg.removed {
		return rows{}, nil
	}
	view = seg.rows
	if seq := seg.inText.Load(); seq != allInText {
		view.n = view.search(seq)
	}
	return view, seg.parts
}

// setParts gives rows their indexes, unless they were replaced meanwhile.
func (t *tables) setParts(seg *segment, view *rows, parts []rowsIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := parts[len(parts)-1].to
	if seg.index == nil && !seg.removed && seg.rows.n >= n && len(view.chunks) > 0 && seg.rows.chunks[0] == view.chunks[0] {
		seg.lookUpIn(nil, parts)
	}
}
