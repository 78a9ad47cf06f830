package rotation

import (
	"fmt"
	"os"

	"github.com/steplog/steplog/internal/vfs"
)

// descriptorName returns a name under which an open file can be opened again,
// "" where /proc is not there.
func descriptorName(file vfs.File) string {
	f, ok := file.(interface{ Fd() uintptr })
	if !ok {
		return ""
	}
	name := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	ours, err := file.Stat()
	if err != nil {
		return ""
	}
	named, err := os.Stat(name)
	if err != nil || !os.SameFile(ours, named) {
		return ""
	}
	return name
}
