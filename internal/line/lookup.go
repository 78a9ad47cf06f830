package line

import (
	"encoding/json"
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
	var m map[string]json.RawMessage
	if json.Unmarshal(details, &m) != nil {
		return
	}
	if v, ok := m[path]; ok {
		scalars(v, nil, yield)
		return
	}
	if parts := strings.Split(path, "."); len(parts) > 1 {
		scalars(details, parts, yield)
	}
}

func scalars(v json.RawMessage, rest []string, yield func(string) bool) bool {
	switch v[0] {
	case '[':
		var a []json.RawMessage
		_ = json.Unmarshal(v, &a)
		for _, x := range a {
			if !scalars(x, rest, yield) {
				return false
			}
		}
		return true
	case '{':
		if len(rest) == 0 {
			return true
		}
		var m map[string]json.RawMessage
		_ = json.Unmarshal(v, &m)
		if x, ok := m[rest[0]]; ok {
			return scalars(x, rest[1:], yield)
		}
		return true
	}
	if len(rest) > 0 {
		return true
	}
	if v[0] == '"' {
		var s string
		_ = json.Unmarshal(v, &s)
		return yield(s)
	}
	return yield(string(v))
}
