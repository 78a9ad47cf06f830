// Package machine says what figures are from.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Describe names the version of Go, the system, the processors, and the kind of
// file system that a folder lies on.
func Describe(dir string) string {
	return fmt.Sprintf("%s, %s/%s, %d CPUs, %s, files on %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel(), FileSystem(dir))
}

// cpuModel names the processor where the system says it.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for l := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(l, "model name"); ok {
				return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			}
		}
	}
	return "unknown processor"
}

// FileSystem returns the kind of file system that a folder lies on, where the
// system says it.
func FileSystem(dir string) string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	if dir, err = filepath.EvalSymlinks(dir); err == nil {
		dir, err = filepath.Abs(dir)
	}
	kind, longest := "an unknown file system", 0
	for l := range strings.Lines(string(text)) {
		f := strings.Fields(l) // device, mount point, kind, ...
		if err != nil || len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if below := strings.TrimSuffix(f[1], "/") + "/"; strings.HasPrefix(dir+"/", below) {
			kind, longest = f[2], len(f[1])
		}
	}
	return kind
}
