//go:build linux

package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/steplog/steplog/logger"
)

// TestReadOnlyFolder takes the right to change its folder from a process that
// logs, and gives it back.
func TestReadOnlyFolder(t *testing.T) {
	for _, mode := range []string{"journal", "write"} {
		root, err := os.MkdirTemp("", "reliability-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(root); err != nil {
				t.Error(err)
			}
		})
		dir := filepath.Join(root, "logs")
		program := filepath.Join(root, "program")
		if err := errors.Join(os.Mkdir(dir, 0o700), copyFile(os.Args[0], program), os.Chmod(program, 0o755), os.Chmod(root, 0o755)); err != nil {
			t.Fatal(err)
		}
		start(t, "denied", func(child *exec.Cmd) {
			child.Path, child.Args[0] = program, program
			if os.Geteuid() != 0 {
				return
			}
			// Nothing is denied to root.
			const nobody = 65534
			if err := os.Chown(dir, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			child.Dir = dir
		}, "MODE="+mode, "DIR="+dir)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func loseTheFolder() error {
	dir := os.Getenv("DIR")
	h, err := openHost(dir, logger.Options{Rule: smallFiles})
	if err != nil {
		return err
	}
	h.offer("email", "before", 200, 0)
	if err := h.Sync(context.Background()); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		return err
	}
	if f, err := os.Create(filepath.Join(dir, "x")); !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("made %v in a read-only folder: %w", f, err)
	}
	h.offer("email", "during", 500, 0)
	h.offer("database", "during", 500, 0)
	if err := h.Sync(context.Background()); err != nil {
		return err
	}
	if n := h.Stats().Files["email"].Dropped; n != 0 {
		return fmt.Errorf("%d records dropped of a file that is open", n)
	}
	if n := h.Stats().Files["database"].Dropped; n != 500 {
		return fmt.Errorf("%d records dropped of 500 to a file that cannot be made", n)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	h.offer("email", "after", afterwards, 0)
	h.offer("database", "after", afterwards, 0)
	if err := h.settled(); err != nil {
		return err
	}
	return h.close(dir, "read-only folder", 1)
}

// TestSecondProcess opens a folder that this process has open.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	store, err := logger.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	start(t, "locked", nil, "DIR="+dir)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=locked", "DIR="+dir)
	child.Stderr = &said
	if err := child.Run(); err == nil {
		t.Errorf("the folder is locked still: %s", &said)
	}
}

// openSecond fails unless the folder is locked.
func openSecond() error {
	store, err := logger.Open(os.Getenv("DIR"), nil)
	if errors.Is(err, logger.ErrLocked) {
		fmt.Println("second process: refused with ErrLocked")
		return nil
	}
	if err == nil {
		err = store.Close()
	}
	return fmt.Errorf("opened: %w", err)
}
