package main

import (
	"fmt"
	"slices"
	"strings"
)

// side is where a requirement is proven: "library" or "http".
type side string

const (
	library side = "library"
	http    side = "http"
)

// requirement is one line of requirements.txt.
type requirement struct {
	number string // "R2.6"
	sides  []side
	what   string
}

// parseList reads lines of a number, one or two sides, and a text. Blank lines
// and lines that begin with # are left out.
func parseList(name, text string) ([]requirement, error) {
	var list []requirement
	for i, l := range strings.Split(text, "\n") {
		fields := strings.Fields(l)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		r := requirement{number: fields[0]}
		if slices.ContainsFunc(list, func(x requirement) bool { return x.number == r.number }) {
			return nil, fmt.Errorf("%s:%d: %s stands there twice", name, i+1, r.number)
		}
		rest := fields[1:]
		for len(rest) > 0 && (side(rest[0]) == library || side(rest[0]) == http) {
			r.sides = append(r.sides, side(rest[0]))
			rest = rest[1:]
		}
		if len(r.sides) == 0 {
			return nil, fmt.Errorf("%s:%d: %s has no side", name, i+1, r.number)
		}
		r.what = strings.Join(rest, " ")
		list = append(list, r)
	}
	return list, nil
}
