package oracle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// escape is a terminal sequence: a control sequence, an operating system
// command, another escape, or an ESC that begins none.
var escape = regexp.MustCompile(`(?s)\x1b\[[0-?]*[ -/]*[@-~]|\x1b\].*?(?:\x07|\x1b\\)|\x1b(?:[ -/]+[0-~]|[0-Z\\^-~])|\x1b`)

func plain(message string) string { return escape.ReplaceAllString(message, "") }

// fold gives each character the smallest of those that differ in case only.
func fold(s string) []rune {
	folded := []rune(s)
	for i, r := range folded {
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			folded[i] = min(folded[i], other)
		}
	}
	return folded
}

// parts splits a search at blanks outside quotes.
func parts(search string) [][]rune {
	var found [][]rune
	for len(search) > 0 {
		part, quoted := "", false
		for len(search) > 0 {
			r := []rune(search)[0]
			search = search[len(string(r)):]
			if r == '"' {
				quoted = !quoted
			} else if !quoted && unicode.IsSpace(r) {
				break
			} else {
				part += string(r)
			}
		}
		if part != "" {
			found = append(found, fold(part))
		}
	}
	return found
}

func contains(text, part []rune) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if slices.Equal(text[i:i+len(part)], part) {
			return true
		}
	}
	return false
}

// Values returns the texts of the scalars at a path under the details.
func (r *Record) Values(path string) []string {
	details := r.Details()
	if v, ok := details[path]; ok {
		return scalars(v, nil)
	}
	return scalars(map[string]any(details), strings.Split(path, "."))
}

func scalars(v any, path []string) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, element := range v {
			all = append(all, scalars(element, path)...)
		}
		return all
	case map[string]any:
		if len(path) > 0 {
			if below, ok := v[path[0]]; ok {
				return scalars(below, path[1:])
			}
		}
		return nil
	}
	if len(path) > 0 {
		return nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		if v {
			return []string{"true"}
		}
		return []string{"false"}
	default:
		return []string{"null"}
	}
}
