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
	var values [2]found
	keys := [...]string{"error", "details"}
	// They stand behind the message, and to what is before it there is more of most
	// lines. A message that is not the line's own, but part of a value, is not
	// followed by the line's end.
	at := bytes.Index(raw, []byte(behindIdentifiers))
	if at < 0 || bytes.Contains(raw[:at], []byte(`"error"`)) || bytes.Contains(raw[:at], []byte(`"details"`)) ||
		bytes.IndexByte(raw[:at], '\\') >= 0 || !findFrom(raw, at+1, keys[:], values[:]) || raw[0] != '{' {
		if values = [2]found{}; !findAll(raw, keys[:], values[:]) {
			return nil, nil, ErrNotRecord
		}
	}
	var objects [2][]byte
	for i, v := range values {
		if v.to > 0 && raw[v.from] == '{' {
			objects[i] = raw[v.from:v.to:v.to]
		}
	}
	return objects[0], objects[1], nil
}

// findAll is find for several keys. It reports whether object is an object, with
// nothing behind it.
func findAll(object []byte, keys []string, values []found) bool {
	s := scanner{b: object}
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		s.peek()
		return s.i == len(object)
	}
	return findFrom(object, s.i, keys, values)
}

// findFrom is findAll from a member of the object on.
func findFrom(object []byte, from int, keys []string, values []found) bool {
	s := scanner{b: object, i: from}
	if !s.find(keys, values) {
		return false
	}
	s.peek()
	return s.i == len(object)
}

// found is where the value of a key stands; to is 0 where there is none.
type found struct {
	from, to int
	plain    bool // it is a string whose text stands there as it is
}

// find takes the members of an object up to its end, and sets what it finds of some
// keys. It reports whether they are valid JSON.
func (s *scanner) find(keys []string, values []found) bool {
	b := s.b
	for {
		key, ok := s.str()
		if !ok {
			return false
		}
		if s.i < len(b) && b[s.i] == ':' { // take, without a call
			s.i++
		} else if !s.takeFar(':') {
			return false
		}
		v := found{from: s.i}
		if s.i < len(b) && b[s.i] == '"' {
			var text literal
			text, ok = s.str()
			v.plain = !text.escaped && !text.wide
		} else {
			s.peek()
			v.from = s.i
			_, ok = s.skip()
		}
		if !ok {
			return false
		}
		v.to = s.i
		for n, k := range keys {
			if (key.to-key.from == len(k) || key.escaped || key.wide) && s.is(key, k) {
				values[n] = v
				break
			}
		}
		if s.i < len(b) && b[s.i] == ',' {
			s.i++
		} else if !s.takeFar(',') {
			return s.take('}')
		}
	}
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
