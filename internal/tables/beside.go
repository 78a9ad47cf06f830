package tables

// mostBeside bounds beside how many rows of a file that lie together something is kept:
// half a million rows. They get an index before they are so many, or cannot.
const mostBeside = 512

// beside is what is kept beside rows that lie together.
type beside struct {
	of   *chunk
	what any
}

// Beside returns what is kept beside those rows of a view without an index that lie
// together with row i, and the place of row i among them. It is made when it is first
// asked for, and given up when all of these rows have an index, or others stand in their
// place. It is nil where nothing is kept. T must be the same for all, and safe for
// concurrent use.
func Beside[T any](v *View, i int) (kept *T, place int) {
	at := v.from0 + i
	n, s := at/chunkRows, v.Segment
	s.besideMu.Lock()
	defer s.besideMu.Unlock()
	b, ok := s.beside[n]
	if !ok && len(s.beside) == mostBeside {
		return nil, 0
	}
	if b.of != v.rows.chunks[n] {
		b = beside{v.rows.chunks[n], new(T)}
		if s.beside == nil {
			s.beside = map[int]beside{}
		}
		s.beside[n] = b
	}
	kept, _ = b.what.(*T)
	return kept, at % chunkRows
}

// forgetBeside gives up what is kept beside the first n rows, as far as that is beside
// no others; all of it with 0.
func (s *Segment) forgetBeside(n int) {
	s.besideMu.Lock()
	defer s.besideMu.Unlock()
	for k := range s.beside {
		if n == 0 || (k+1)*chunkRows <= n {
			delete(s.beside, k)
		}
	}
}
