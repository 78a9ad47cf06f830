//go:build freebsd || netbsd || openbsd || dragonfly

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

const errDamaged = unix.EIO

func showLock(*os.File, bool) {}

func allocate(*os.File, int64, bool) error { return ErrNotSupported }

func renameNew(oldName, newName string) error { return linkNew(oldName, newName) }

func fileSystemKind(string) string { return "" }
