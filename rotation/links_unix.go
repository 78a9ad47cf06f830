//go:build unix

package rotation

import (
	"io/fs"
	"syscall"
)

// linkCount returns how many names a file has, where the system says so.
func linkCount(info fs.FileInfo) (uint64, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Nlink), true
}
