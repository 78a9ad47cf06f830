package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// machine says what the figures are from.
func machine(dir string) string {
	return fmt.Sprintf("%s, %s/%s, %d CPUs, %s, files on %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpuModel(), fileSystem(dir))
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

// fileSystem returns the kind of file system that a folder lies on.
func fileSystem(dir string) string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	kind, longest := "an unknown file system", 0
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for l := range strings.Lines(string(text)) {
		f := strings.Fields(l) // device, mount point, kind, ...
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if below := strings.TrimSuffix(f[1], "/") + "/"; strings.HasPrefix(dir+"/", below) {
			kind, longest = f[2], len(f[1])
		}
	}
	return kind
}
