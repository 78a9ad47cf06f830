package main

import (
	"path/filepath"
	"testing"
)

// Each text that a fault takes the place of stands once in the sources, as they are now.
func TestTexts(t *testing.T) {
	for _, f := range faults {
		if _, _, _, err := f.apply(filepath.Join("..", "..")); err != nil {
			t.Error(err)
		}
	}
}
