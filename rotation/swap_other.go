//go:build !windows

package rotation

// movesOpenFiles is true: a file can get a new name while it is open.
const movesOpenFiles = true
