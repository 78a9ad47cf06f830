//go:build !linux

package rotation

import "github.com/steplog/steplog/internal/vfs"

// descriptorName returns "": there are no names for open files here that give
// a descriptor of its own.
func descriptorName(vfs.File) string { return "" }
