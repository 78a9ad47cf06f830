package line

// json appends JSON that the host made: checked, without white space, masked,
// and cut like everything else. What is not JSON becomes a string.
func (w *walker) json(raw []byte) {
	if raw == nil {
		w.raw("null")
		return
	}
	s := scanner{b: raw}
	_, ok := s.skip()
	if s.peek(); !ok || s.i < len(raw) {
		w.text(string(raw))
		return
	}
	s.i = 0
	w.copyJSON(&s)
}

// copyJSON takes one value, known to be valid, from s.
func (w *walker) copyJSON(s *scanner) {
	switch s.peek() {
	case '{':
		outer, ok := w.open('{')
		if !ok {
			s.skip()
			return
		}
		s.i++
		for more := !s.take('}'); more; {
			l, _ := s.str()
			s.take(':')
			if w.dataMember(s.get(l)) {
				w.copyJSON(s)
				w.comma()
			} else {
				s.skip()
			}
			if more = s.take(','); !more {
				s.take('}')
			}
		}
		w.closeObject(outer)
	case '[':
		outer, ok := w.open('[')
		if !ok {
			s.skip()
			return
		}
		s.i++
		for more := !s.take(']'); more; {
			if w.element() {
				w.copyJSON(s)
				w.comma()
			} else {
				s.skip()
			}
			if more = s.take(','); !more {
				s.take(']')
			}
		}
		w.closeArray(outer)
	case '"':
		l, _ := s.str()
		w.text(s.get(l))
	default:
		v, _ := s.skip()
		w.masked(append(w.b, v...))
	}
}
