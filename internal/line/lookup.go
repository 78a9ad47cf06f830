package line

import (
	"bytes"
	"strings"
)

// Field calls yield with the text of each scalar that path leads to in details,
// a JSON object or nil, until yield returns false.
//
// The whole path is looked up as one key first. Only if there is none is it split
// at its dots, all of them, and followed from object to object; an array on the
// way or at the end stands for each of its elements. The text of a string is the
// string, that of a number, true, false or null what the line has; objects have
// none. Of a key that an object has twice the last counts.
func Field(details []byte, path string, yield func(scalar string) bool) {
	if v := find(details, path); v != nil {
		scalars(v, "", false, yield)
		return
	}
	if strings.Contains(path, ".") {
		scalars(details, path, true, yield)
	}
}

// Objects returns the error and the details of a line, both JSON objects and
// parts of raw, nil where it has none. It is what [Parse] finds of them in a record,
// for a small part of the time: what stands before the message it mostly passes over,
// unchecked. It returns [ErrNotRecord] where it sees that it is no JSON object.
func Objects(raw []byte) (failure, details []byte, err error) {
	var found [2][]byte
	keys := [...]string{"error", "details"}
	// They stand behind the message, and to what is before it there is more of most
	// lines. A message that is not the line's own, but part of a value, is not
	// followed by the line's end.
	at := bytes.Index(raw, []byte(behindIdentifiers))
	if at < 0 || bytes.Contains(raw[:at], []byte(`"error"`)) || bytes.Contains(raw[:at], []byte(`"details"`)) ||
		bytes.IndexByte(raw[:at], '\\') >= 0 || !findFrom(raw, at+1, keys[:], found[:]) || raw[0] != '{' {
		if found = [2][]byte{}; !findAll(raw, keys[:], found[:]) {
			return nil, nil, ErrNotRecord
		}
	}
	for i, v := range found {
		if len(v) > 0 && v[0] != '{' {
			found[i] = nil
		}
	}
	return found[0], found[1], nil
}

// findAll is find for several keys. It reports whether object is an object, with
// nothing behind it.
func findAll(object []byte, keys []string, found [][]byte) bool {
	s := scanner{b: object}
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		s.peek()
		return s.i == len(object)
	}
	return findFrom(object, s.i, keys, found)
}

// findFrom is findAll from a member of the object on.
func findFrom(object []byte, from int, keys []string, found [][]byte) bool {
	s := scanner{b: object, i: from}
	if !s.find(keys, found) {
		return false
	}
	s.peek()
	return s.i == len(object)
}

// find takes the members of an object up to its end, and sets what it finds of some
// keys. It reports whether they are valid JSON.
func (s *scanner) find(keys []string, found [][]byte) bool {
	for more := true; more; {
		l, ok := s.str()
		if !ok || !s.take(':') {
			clear(found)
			return false
		}
		name := s.name(l)
		v, ok := s.skip()
		if !ok {
			clear(found)
			return false
		}
		for n, key := range keys {
			if name == key {
				found[n] = v
				break
			}
		}
		if more = s.take(','); !more && !s.take('}') {
			return false
		}
	}
	return true
}

// find returns the value of a key of an object, nil if there is none.
func find(object []byte, key string) (value []byte) {
	s := scanner{b: object}
	if !s.take('{') || s.take('}') {
		return nil
	}
	for {
		l, ok := s.str()
		if !ok || !s.take(':') {
			return nil
		}
		found := s.is(l, key)
		v, ok := s.skip()
		if !ok {
			return nil
		}
		if found {
			value = v
		}
		if !s.take(',') {
			return value
		}
	}
}

// scalars calls yield for the scalars of v, or, if below is set, of what stands
// at path below it. It returns false once yield has.
func scalars(v []byte, path string, below bool, yield func(string) bool) bool {
	if len(v) == 0 {
		return true
	}
	s := scanner{b: v}
	switch s.peek() {
	case '[':
		s.i++
		for more := !s.take(']'); more; more = s.take(',') {
			element, ok := s.skip()
			if !ok {
				return true
			}
			if !scalars(element, path, below, yield) {
				return false
			}
		}
		return true
	case '{':
		if !below {
			return true
		}
		key, rest, more := strings.Cut(path, ".")
		return scalars(find(v, key), rest, more, yield)
	}
	if below {
		return true
	}
	if s.peek() == '"' {
		l, ok := s.str()
		return !ok || yield(s.get(l))
	}
	return yield(string(v))
}
