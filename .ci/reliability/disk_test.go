//go:build linux

package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// start runs this program again in a role, until it ends, and prints what it
// said. change may be nil.
func start(t *testing.T, role string, change func(*exec.Cmd), env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	if change != nil {
		change(child)
	}
	said, err := child.CombinedOutput()
	fmt.Printf("%s", said)
	if err != nil {
		t.Fatalf("%s: %v", role, err)
	}
}

// host is a store and what was offered to it.
type host struct {
	*logger.Store
	log      *logger.Logger
	offered  map[string]int64
	problems chan error
	// By stores that were closed.
	dropped      map[string]int64
	droppedInAll int64
}

func openHost(dir string, o logger.Options) (*host, error) {
	h := &host{offered: map[string]int64{}, dropped: map[string]int64{}, problems: make(chan error, 10_000)}
	return h, h.open(dir, o)
}

func (h *host) open(dir string, o logger.Options) error {
	o.RingBytes = 4 << 20
	o.OnProblem = func(err error) { h.problems <- err }
	if os.Getenv("MODE") == "write" {
		o.Mode = logger.ModeWrite
	}
	store, err := logger.Open(dir, &o)
	if err != nil {
		return err
	}
	h.Store = store
	h.log = store.Server("edge").Service("orders").Logger
	return nil
}

// restart closes the store on a disk that does not take what is left, and opens it
// again.
func (h *host) restart(dir string) error {
	if err := h.Store.Close(); err == nil {
		return errors.New("Close says that all is well on a full disk")
	}
	stats := h.Stats()
	h.droppedInAll += stats.Dropped
	for file := range h.offered {
		h.dropped[file] += stats.Files[file].Dropped
	}
	return h.open(dir, logger.Options{})
}

// lost is how many records of a file were dropped.
func (h *host) lost(file string) int64 { return h.dropped[file] + h.Stats().Files[file].Dropped }

// offer logs n lines to a file.
func (h *host) offer(file, what string, n, size int) {
	for range n {
		text := pad(n, uint64(h.offered[file]))
		if len(text) < size {
			text += strings.Repeat("z", size-len(text))
		}
		ack := fmt.Sprintf("%s %s %d", file, what, h.offered[file])
		h.offered[file]++
		h.log.To(file).Info(what, zap.String("ack", ack), zap.String("pad", text), zap.Uint32("sum", crc32.ChecksumIEEE([]byte(text))))
	}
}

// visible is how many of the offered lines of a file a query finds.
func (h *host) visible(file string) (int64, error) {
	page, err := h.Query().Records(context.Background(), query.Filter{Files: []string{file}, Topic: "application"}, query.Paging{Limit: 1})
	return page.Total.N, err
}

// settled waits until the disk takes what waits, and every drop is said.
func (h *host) settled() error {
	var err error
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		if err = h.Sync(context.Background()); err != nil {
			continue
		}
		var said int64
		if said, err = h.said(); err != nil {
			return err
		}
		if dropped := h.Stats().Dropped + h.droppedInAll; said != dropped {
			err = fmt.Errorf("%d records dropped, and %d said", dropped, said)
			continue
		}
		return nil
	}
	return err
}

// said is how many drops the records speak of that say what was dropped.
func (h *host) said() (sum int64, err error) {
	for r, err := range h.Query().All(context.Background(), query.Filter{Topic: "system"}) {
		if err != nil {
			return 0, err
		}
		if n, found := strings.CutPrefix(r.Message, "dropped "); found {
			var count int64
			if _, err := fmt.Sscan(n, &count); err != nil {
				return 0, err
			}
			sum += count
		}
	}
	return sum, nil
}

// close closes the store and compares the text with what was offered: each
// record stands there once or was counted as dropped, and of the drops of a file
// no more records speak than there are episodes, unless those are 0. What was logged as "after" must all be
// there. It prints the figures.
func (h *host) close(dir, name string, episodes int) error {
	stats := h.Stats()
	if err := h.Store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	found, after, saying, said := map[string]int64{}, map[string]int64{}, map[string]int{}, map[string]int64{}
	seen := map[string]bool{}
	var twice error
	err := readText(dir, func(log string, r *record) {
		switch {
		case r.Details.Ack != "":
			if seen[r.Details.Ack] {
				twice = fmt.Errorf("%s stands there twice", r.Details.Ack)
			}
			seen[r.Details.Ack] = true
			found[log]++
			if r.Message == "after" {
				after[log]++
			}
		case strings.HasPrefix(r.Message, "dropped "):
			saying[log]++
			said[log] += r.Details.Count
		}
	})
	if err = errors.Join(err, twice); err != nil {
		return err
	}
	for file, offered := range h.offered {
		dropped := stats.Files[file].Dropped + h.dropped[file]
		fmt.Printf("%s, mode %s, %s.log: %d offered, %d accepted, %d dropped in %d records that say so, %d problems\n",
			name, stats.Mode, file, offered, found[file], dropped, saying[file], stats.Problems)
		if found[file]+dropped != offered {
			return fmt.Errorf("%s.log: %d found and %d dropped of %d", file, found[file], dropped, offered)
		}
		if said[file] != dropped {
			return fmt.Errorf("%s.log: %d dropped, and %d said", file, dropped, said[file])
		}
		if episodes > 0 && saying[file] > episodes {
			return fmt.Errorf("%s.log: %d records say what was dropped", file, saying[file])
		}
		if after[file] != afterwards {
			return fmt.Errorf("%s.log: %d of %d lines after it all", file, after[file], afterwards)
		}
	}
	return nil
}

// afterwards is how many lines are logged once nothing is wrong any more.
const afterwards = 100

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
