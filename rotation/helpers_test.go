package rotation_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// day is the time at which tests begin.
var day = time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)

// record is a line as steplog writes it.
func record(seq int, at time.Time) string {
	return fmt.Sprintf(`{"seq":%d,"timestamp":"%s","level":"info","kind":"line","message":"line %d"}`,
		seq, at.UTC().Format("2006-01-02T15:04:05.000000000Z"), seq)
}

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// heard keeps what the hooks of a File were told.
type heard struct {
	mu       sync.Mutex
	closed   []rotation.Info
	removed  []string
	damage   []rotation.DamageError
	problems []error
}

func (h *heard) options(rule rotation.Rule) *rotation.Options {
	return &rotation.Options{
		Rule:      rule,
		OnClose:   func(i rotation.Info) { h.note(func() { h.closed = append(h.closed, i) }) },
		OnRemove:  func(n string) { h.note(func() { h.removed = append(h.removed, n) }) },
		OnDamage:  func(d *rotation.DamageError) { h.note(func() { h.damage = append(h.damage, *d) }) },
		OnProblem: func(err error) { h.note(func() { h.problems = append(h.problems, err) }) },
	}
}

func (h *heard) note(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

func (h *heard) Closed() []rotation.Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.closed)
}

func (h *heard) Removed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.removed)
}

func (h *heard) Damage() []rotation.DamageError {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.damage)
}

func (h *heard) Problems() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.problems)
}

func write(t testing.TB, f *rotation.File, lines ...string) {
	t.Helper()
	for _, l := range lines {
		n, err := f.Write([]byte(l + "\n"))
		require.NoError(t, err)
		require.Equal(t, len(l)+1, n)
	}
}

// numbered returns lines that tell their place.
func numbered(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, record(i, day.Add(time.Duration(i)*time.Second)))
	}
	return lines
}

func openFolder(t testing.TB, fsys vfs.FS, dir string) *rotation.Folder {
	t.Helper()
	d, err := rotation.OpenFolderFS(fsys, dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// allLines reads every file of the folder, in the order of the list.
func allLines(t testing.TB, d *rotation.Folder) []string {
	t.Helper()
	list, err := d.List()
	require.NoError(t, err)
	var lines []string
	for _, info := range list {
		text := readFile(t, d, info.Name)
		require.True(t, text == "" || strings.HasSuffix(text, "\n"), "%s ends within a line", info.Name)
		lines = append(lines, splitLines(text)...)
	}
	return lines
}

func readFile(t testing.TB, d *rotation.Folder, name string) string {
	t.Helper()
	r, err := d.Open(name)
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(text)
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// names lists a folder's files.
func names(t testing.TB, fsys vfs.FS, dir string) []string {
	t.Helper()
	infos, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, i := range infos {
		names = append(names, i.Name())
	}
	return names
}

func put(t testing.TB, fsys vfs.FS, path, text string) {
	t.Helper()
	require.NoError(t, fsys.MkdirAll(filepath.Dir(path), 0o700))
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func closedAt(log string, at time.Time) string {
	return log + "-" + at.UTC().Format("2006-01-02T15-04-05.000") + ".log"
}
