package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// scope is what references of a flow can reach: "input", "env", "item" inside a
// loop, and the output of every action that has run, under its id.
type scope map[string]any

// with returns a scope that also knows name.
func (s scope) with(name string, value any) scope { return with(s, name, value) }

// with returns a copy of an object in which name has the value.
func with[M ~map[string]any](object M, name string, value any) M {
	more := maps.Clone(object)
	more[name] = value
	return more
}

// resolve returns v with every {"$": "path"} in it replaced by the value that
// the path leads to. A value put in place is never looked at again, and texts
// are never searched for anything: data cannot become part of the flow.
func (s scope) resolve(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if to, ok := reference(v); ok {
			return lookup(map[string]any(s), to)
		}
		out := make(map[string]any, len(v))
		for key, value := range v {
			resolved, err := s.resolve(value)
			if err != nil {
				return nil, err
			}
			out[key] = resolved
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			resolved, err := s.resolve(value)
			if err != nil {
				return nil, err
			}
			out[i] = resolved
		}
		return out, nil
	default:
		return v, nil
	}
}

// reference reports whether m is {"$": "path"}, and the path.
func reference(m map[string]any) (string, bool) {
	to, ok := m["$"].(string)
	return to, ok && len(m) == 1
}

// lookup follows a dotted path through objects and, by number, through lists.
func lookup(v any, to string) (any, error) {
	at := v
	for part := range strings.SplitSeq(to, ".") {
		next, ok := child(at, part)
		if !ok {
			return nil, fmt.Errorf("there is no %q in %s", part, to)
		}
		at = next
	}
	return at, nil
}

func child(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		value, ok := v[name]
		return value, ok
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	default:
		return nil, false
	}
}

// checkReferences reports the first reference in v whose first part is not
// visible.
func checkReferences(v any, visible map[string]bool) error {
	switch v := v.(type) {
	case map[string]any:
		if to, ok := reference(v); ok {
			if first, _, _ := strings.Cut(to, "."); !visible[first] {
				return fmt.Errorf("the reference %q leads nowhere", to)
			}
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := checkReferences(v[key], visible); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := checkReferences(value, visible); err != nil {
				return err
			}
		}
	}
	return nil
}
