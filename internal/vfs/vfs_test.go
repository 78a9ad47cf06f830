package vfs_test

import (
	"testing"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/internal/vfs/vfstest"
)

func TestOS(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() })
}

func TestMem(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) {
		m := vfs.NewMem()
		return m, "/"
	})
}

func TestMemBelowAFolder(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) {
		m := vfs.NewMem()
		if err := m.MkdirAll("data/logs", 0o700); err != nil {
			t.Fatal(err)
		}
		return m, "data/logs"
	})
}

func TestInjectWithoutFaults(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) {
		return vfs.Wrap(vfs.OS(), vfs.Hooks{}), t.TempDir()
	})
}
