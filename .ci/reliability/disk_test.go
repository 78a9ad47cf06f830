//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"golang.org/x/sys/unix"
)

// TestFullDisk runs out of space: on a small tmpfs where this may be mounted, and
// by a limit on the size of files.
func TestFullDisk(t *testing.T) {
	mounted := t.TempDir()
	if err := unix.Mount("tmpfs", mounted, "tmpfs", 0, "size=24m"); err != nil {
		fmt.Printf("full disk: no tmpfs here (%v): the limit on the size of files alone\n", err)
		mounted = ""
	} else {
		t.Cleanup(func() {
			if err := unix.Unmount(mounted, 0); err != nil {
				t.Errorf("unmount: %v", err)
			}
		})
	}
	for _, mode := range []string{"journal", "write"} {
		if mounted != "" {
			start(t, "space", nil, "MODE="+mode, "DIR="+filepath.Join(mounted, mode), "HOG="+filepath.Join(mounted, "hog"))
		}
		start(t, "space", nil, "MODE="+mode, "DIR="+filepath.Join(t.TempDir(), mode), "HOG=")
	}
	if mounted != "" {
		readOnlyMount(t, mounted)
	}
}

// readOnlyMount opens what lies on a file system that cannot be written.
func readOnlyMount(t *testing.T, mounted string) {
	dir := filepath.Join(mounted, "journal")
	if err := unix.Mount("", mounted, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("remount: %v", err)
	}
	if store, err := logger.Open(dir, nil); !errors.Is(err, syscall.EROFS) {
		t.Errorf("opened %v on a read-only file system: %v", store, err)
	}
	engine, err := query.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	page, err := engine.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
	if err = errors.Join(err, engine.Close()); err != nil || page.Total.N == 0 {
		t.Errorf("read %d records on a read-only file system: %v", page.Total.N, err)
	}
	if err := unix.Mount("", mounted, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatalf("remount: %v", err)
	}
	store, err := logger.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// runOutOfSpace is the program of TestFullDisk: HOG is a file to fill the disk
// with, and empty for a limit on the size of files.
func runOutOfSpace() error {
	dir, hog := os.Getenv("DIR"), os.Getenv("HOG")
	name := "ENOSPC on tmpfs"
	h, err := openHost(dir, logger.Options{})
	if err != nil {
		return err
	}
	h.offer("email", "before", 1000, 0)
	h.offer("database", "before", 1000, 0)
	if err := h.Sync(context.Background()); err != nil {
		return err
	}
	var room func() error
	if hog != "" {
		if err := fillDisk(hog); err != nil {
			return err
		}
		room = func() error { return os.Remove(hog) }
	} else {
		name = "RLIMIT_FSIZE"
		signal.Ignore(syscall.SIGXFSZ)
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		small := limit
		small.Cur = 100_000
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
			return err
		}
		room = func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit) }
	}
	for range 1000 {
		h.offer("email", "during", 5, 1000)
		h.offer("database", "during", 1, 3000)
	}
	if h.Stats().Dropped == 0 {
		return errors.New("nothing was dropped")
	}
	for range len(h.problems) {
		if err := <-h.problems; strings.Contains(err.Error(), "/proc/") {
			return fmt.Errorf("a problem that names no file: %w", err)
		}
	}
	for range 2 {
		for _, file := range []string{"email", "database"} {
			n, err := h.visible(file)
			if accepted := h.offered[file] - h.lost(file); err != nil || n != accepted {
				return fmt.Errorf("a query finds %d of %d accepted records in %s.log on the full disk: %w", n, accepted, file, err)
			}
		}
		if h.Stats().Mode == logger.ModeWrite {
			break // a small record may fit, and then Close has nothing to complain of
		}
		if err := h.restart(dir); err != nil {
			return err
		}
		h.offer("email", "during", 5, 1000)
	}
	if err := room(); err != nil {
		return err
	}
	if err := h.settled(); err != nil {
		return err
	}
	h.offer("email", "after", afterwards, 0)
	h.offer("database", "after", afterwards, 0)
	episodes := 3 // each process says its own
	if h.Stats().Mode == logger.ModeWrite {
		episodes = 0 // small lines fit where long ones do not
	}
	return h.close(dir, name, episodes)
}

// fillDisk writes a file until there is no space left.
func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return err
		}
	}
	return nil
}

// TestDescriptors runs out of descriptors.
func TestDescriptors(t *testing.T) {
	for _, mode := range []string{"journal", "write"} {
		start(t, "files", nil, "MODE="+mode, "DIR="+filepath.Join(t.TempDir(), mode))
	}
}

func runOutOfDescriptors() error {
	dir := os.Getenv("DIR")
	h, err := openHost(dir, logger.Options{Rule: smallFiles})
	if err != nil {
		return err
	}
	h.offer("email", "before", 200, 0)
	if err := h.Sync(context.Background()); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	few := limit
	few.Cur = 256
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		return err
	}
	// Whoever looks after closed files may give some back for a while.
	var hog []*os.File
	for full := 0; full < 20; {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			full++
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		full = 0
		hog = append(hog, f)
	}
	h.offer("email", "during", 500, 0)    // cannot be rotated, and grows on
	h.offer("database", "during", 500, 0) // cannot be made
	time.Sleep(300 * time.Millisecond)    // for the goroutines that look after the files
	for _, f := range hog {
		if err := f.Close(); err != nil {
			return err
		}
	}
	if n := h.Stats().Files["email"].Dropped; n != 0 {
		return fmt.Errorf("%d records dropped of a file that is open", n)
	}
	if n := h.Stats().Files["database"].Dropped; n != 500 {
		return fmt.Errorf("%d records dropped of 500 to a file that cannot be made", n)
	}
	h.offer("email", "after", afterwards, 0)
	h.offer("database", "after", afterwards, 0)
	if err := h.settled(); err != nil {
		return err
	}
	return h.close(dir, "EMFILE", 1)
}
