package tables

import sidecar "github.com/steplog/steplog/internal/segment"

// Part is some rows of a file that is not sealed, and their sidecar.
type Part struct {
	From, To int // rows From to To - 1
	Index    *sidecar.Index
}

// Indexed is how many rows parts cover, which follow each other from the first.
func Indexed(parts []Part) int {
	if len(parts) == 0 {
		return 0
	}
	return parts[len(parts)-1].To
}

// indexed returns how many rows have an index. The caller holds Tables.mu.
func (s *Segment) indexed() int { return Indexed(s.parts) }

// Unindexed returns the rows of a file that are in the text, and the parts of
// them that have an index; none of a sealed one.
func (s *Segment) Unindexed() (view Rows, parts []Part) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if s.index != nil || s.removed {
		return Rows{}, nil
	}
	view = s.rows
	if seq := s.InText.Load(); seq != AllInText {
		view.n = view.search(seq)
	}
	return view, s.parts
}

// SetParts gives rows their indexes, unless they were replaced meanwhile.
func (s *Segment) SetParts(view *Rows, parts []Part) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	n := parts[len(parts)-1].To
	if s.index == nil && !s.removed && s.rows.n >= n && len(view.chunks) > 0 && s.rows.chunks[0] == view.chunks[0] {
		s.lookUpIn(nil, parts)
	}
}
