package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/steplog/steplog/export/archive"
	"github.com/steplog/steplog/export/archive/archivetest"
	"github.com/steplog/steplog/internal/leak"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, leak.Options()...) }

func bucket(t *testing.T) (*archive.Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bucket")
	b, err := archive.OpenFolder(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, dir
}

func TestFolder(t *testing.T) {
	t.Parallel()
	b, dir := bucket(t)
	archivetest.Run(t, b)
	left, err := filepath.Glob(filepath.Join(dir, "*", "*.archive-tmp"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left of what failed")
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	_, err = b.Get(t.Context(), "link")
	require.ErrorIs(t, err, archive.ErrNotFound)
	require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(dir, "away")))
	_, err = b.Get(t.Context(), "away/secret")
	require.Error(t, err)
	require.Error(t, b.Put(t.Context(), "away/new", strings.NewReader("x")))
	require.Error(t, b.Put(t.Context(), "x.archive-tmp", strings.NewReader("x")))
}

func TestFiles(t *testing.T) {
	t.Parallel()
	store, err := logger.Open(t.TempDir(), nil)
	require.NoError(t, err)
	defer store.Close()
	b, _ := bucket(t)
	for n := range 2 {
		for i := range 100 {
			store.Server("edge-1").To("email").Info(fmt.Sprintf("mail %d of %d", i, n))
		}
		require.NoError(t, store.Rotate(t.Context(), "email"))
	}
	require.Eventually(t, func() bool {
		infos, err := store.Files().List()
		require.NoError(t, err)
		packed := 0
		for _, info := range infos {
			if info.Compressed {
				packed++
			}
		}
		return packed == 2
	}, 10*time.Second, 5*time.Millisecond)
	made, err := archive.Files(t.Context(), b, store.Files(), "edge-1/")
	require.NoError(t, err)
	require.Len(t, made, 2)
	r, err := b.Get(t.Context(), made[1])
	require.NoError(t, err)
	defer r.Close()
	g, err := gzip.NewReader(r)
	require.NoError(t, err)
	text, err := io.ReadAll(g)
	require.NoError(t, err)
	require.Contains(t, string(text), "mail 99 of 1")
	again, err := archive.Files(t.Context(), b, store.Files(), "edge-1/")
	require.NoError(t, err)
	require.Empty(t, again, "each file once")
}

// TestFilesPlainAndCompressed: the bucket has no line twice in the end, whatever failed
// on the way.
func TestFilesPlainAndCompressed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	defer folder.Close()
	b, _ := bucket(t)
	plain := filepath.Join(dir, "user-2026-11-21T02-03-04.123.log")
	require.NoError(t, os.WriteFile(plain, []byte("{}\n"), 0o600))
	made, err := archive.Files(t.Context(), b, folder, "")
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Base(plain)}, made)

	require.NoError(t, os.Rename(plain, plain+".gz"))
	made, err = archive.Files(t.Context(), keeps{b}, folder, "")
	require.ErrorIs(t, err, errKeeps)
	require.Equal(t, []string{filepath.Base(plain) + ".gz"}, made)

	made, err = archive.Files(t.Context(), b, folder, "")
	require.NoError(t, err)
	require.Empty(t, made)
	var names []string
	for o, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		names = append(names, o.Name)
	}
	require.Equal(t, []string{filepath.Base(plain) + ".gz"}, names)
}

// TestFilesFails: what is not stored is an error, with the names of what is.
func TestFilesFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	b, _ := bucket(t)
	names := []string{"user-2026-11-21T02-03-04.123.log", "user-2026-11-21T02-03-04.124.log"}
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("{}\n"), 0o600))
	}
	made, err := archive.Files(t.Context(), second{b, names[1]}, folder, "")
	require.ErrorIs(t, err, errFull)
	require.Equal(t, names[:1], made)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	made, err = archive.Files(ended, b, folder, "")
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, made)
	shut, _ := bucket(t)
	require.NoError(t, shut.Close())
	made, err = archive.Files(t.Context(), shut, folder, "")
	require.ErrorContains(t, err, "archive: list: ")
	require.Empty(t, made, "who does not know what is stored stores nothing")
	require.NoError(t, folder.Close())
	_, err = archive.Files(t.Context(), b, folder, "")
	require.Error(t, err)
}

// second is a bucket that has no room for one object.
type second struct {
	archive.Bucket
	name string
}

func (s second) Put(ctx context.Context, name string, r io.Reader) error {
	if name == s.name {
		return errFull
	}
	return s.Bucket.Put(ctx, name, r)
}

var errKeeps = errors.New("the bucket deletes nothing now")

// keeps is a bucket that deletes nothing.
type keeps struct{ archive.Bucket }

func (keeps) Delete(context.Context, string) error { return errKeeps }

func TestLog(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	b, _ := bucket(t)
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync").Start(t.Context())
	_, step := logger.StartStep(ctx, "fetch")
	step.End("out", nil)
	run.End(nil)
	log := func() query.MainLog {
		page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		return page.Items[0]
	}
	name, err := archive.Log(t.Context(), b, store.Query(), log().ID, "runs/")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("runs/log-%d.zip", log().ID), name)
	r, err := b.Get(t.Context(), name)
	require.NoError(t, err)
	defer r.Close()
	packed, err := io.ReadAll(r)
	require.NoError(t, err)
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("log-%d.json", log().ID), z.File[0].Name)

	_, err = archive.Log(t.Context(), b, store.Query(), 1<<40, "runs/")
	require.ErrorIs(t, err, query.ErrNotFound)
	_, err = archive.Log(t.Context(), full{}, store.Query(), log().ID, "")
	require.ErrorIs(t, err, errFull)
	_, err = archive.Log(t.Context(), lazy{}, store.Query(), log().ID, "")
	require.ErrorIs(t, err, io.ErrShortWrite, "a bucket that says it has what it never read")
	require.Panics(t, func() { _, _ = archive.Log(t.Context(), panics{}, store.Query(), log().ID, "") }, "nothing is left that writes")
	require.PanicsWithValue(t, "no backend", func() {
		_, _ = archive.Log(t.Context(), b, query.New(failing{func() { panic("no backend") }}), 1, "")
	}, "the caller may recover it")
	_, err = archive.Log(t.Context(), b, query.New(failing{runtime.Goexit}), 1, "")
	require.Error(t, err)
	n := 0
	for _, err := range b.List(t.Context(), "") {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 1, n)
}

// failing is a backend with a mistake.
type failing struct{ fail func() }

func (f failing) Find(context.Context, query.Filter, query.Window) (r query.Result[query.Record], err error) {
	f.fail()
	return r, err
}

func (f failing) Runs(context.Context, query.RunFilter, query.Window) (r query.Result[query.MainLog], err error) {
	f.fail()
	return r, err
}

func (f failing) Steps(context.Context, query.StepFilter, query.Window) (r query.Result[query.SubLog], err error) {
	f.fail()
	return r, err
}

func (failing) Close() error { return nil }

var errFull = errors.New("the bucket is full")

// full is a bucket that takes nothing.
type full struct{ archive.Bucket }

func (full) Put(context.Context, string, io.Reader) error { return errFull }

// lazy is a bucket that reads nothing.
type lazy struct{ archive.Bucket }

func (lazy) Put(context.Context, string, io.Reader) error { return nil }

// panics is a bucket with a mistake.
type panics struct{ archive.Bucket }

func (panics) Put(context.Context, string, io.Reader) error { panic("no bucket") }

// What was closed since the last call is stored, for example once an hour.
func ExampleFiles() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	at := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	store := logger.OpenMemory(&logger.Options{Clock: func() time.Time { return at }, Rule: rotation.Rule{Compression: rotation.None}})
	defer store.Close()
	store.Server("edge-1").To(logger.FileEmail).Info("polled the mailbox")
	if err := store.Rotate(ctx, logger.FileEmail); err != nil {
		panic(err)
	}

	bucket, err := archive.OpenFolder(dir)
	if err != nil {
		panic(err)
	}
	defer bucket.Close()
	for range 2 {
		fmt.Println(archive.Files(ctx, bucket, store.Files(), "edge-1/"))
	}
	// Output:
	// [edge-1/email-2026-11-21T02-03-04.000.log] <nil>
	// [] <nil>
}

func ExampleLog() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store := logger.OpenMemory(nil)
	defer store.Close()
	_, run := store.Server("edge-1").Service("orders").Operation("sync").Start(ctx)
	run.End(nil)
	page, _ := store.Query().MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 1})

	bucket, err := archive.OpenFolder(dir)
	if err != nil {
		panic(err)
	}
	defer bucket.Close()
	if _, err := archive.Log(ctx, bucket, store.Query(), page.Items[0].ID, "runs/"); err != nil {
		panic(err)
	}
	err = store.MarkArchived(ctx, page.Items[0].ID)
	page, _ = store.Query().MainLogs(ctx, query.RunFilter{}, query.Paging{Limit: 1})
	fmt.Println(page.Items[0].Archived, err)
	// Output: true <nil>
}
