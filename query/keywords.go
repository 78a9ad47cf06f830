package query

import (
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// maxParts is how many distinct keywords a search over several fields may have:
// a bit set holds them.
const maxParts = 63

// folded returns the distinct keywords of a search, folded.
func folded(search string) []string {
	var parts []string
	for _, part := range Keywords(search) {
		if part = line.Fold(part); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// keywordsIn returns a bit for each part that occurs in a folded text.
func keywordsIn(text string, parts []string) (found uint64) {
	for i, part := range parts {
		if strings.Contains(text, part) {
			found |= 1 << i
		}
	}
	return found
}

// among compares a value with a list; an empty list wants any.
func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
