package query_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// compressedFiles returns the paths of a folder's compressed files.
func compressedFiles(t *testing.T, dir string) []string {
	t.Helper()
	gz, err := filepath.Glob(filepath.Join(dir, "*.log.gz"))
	require.NoError(t, err)
	zst, err := filepath.Glob(filepath.Join(dir, "*.log.zst"))
	require.NoError(t, err)
	return slices.Concat(gz, zst)
}

// decompress does what gunzip does, or gunzip -k: the plain form has the name without the
// ending.
func decompress(t *testing.T, name string, keep bool) {
	t.Helper()
	text, err := fileText(name)
	require.NoError(t, err)
	plain := strings.TrimSuffix(name, filepath.Ext(name))
	require.NoError(t, os.WriteFile(plain, text, 0o600))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(plain, info.ModTime(), info.ModTime()))
	if !keep {
		require.NoError(t, os.Remove(name))
	}
}

// decompressHalf does what gunzip does that was killed, or is at work.
func decompressHalf(t *testing.T, name string) {
	t.Helper()
	text, err := fileText(name)
	require.NoError(t, err)
	plain := strings.TrimSuffix(name, filepath.Ext(name))
	require.NoError(t, os.WriteFile(plain, text[:len(text)/2], 0o600))
	young := time.Now().Add(time.Second) // clocks of file systems are coarse
	require.NoError(t, os.Chtimes(plain, young, young))
}

// compressAnew does what zcat and gzip do to a file: the text is the same, in no blocks.
func compressAnew(t *testing.T, name string) {
	t.Helper()
	text, err := fileText(name)
	require.NoError(t, err)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	anew := strings.TrimSuffix(name, filepath.Ext(name)) + ".gz"
	require.NoError(t, os.WriteFile(anew+".new", b.Bytes(), 0o600))
	require.NoError(t, os.Rename(anew+".new", anew))
	if name != anew {
		require.NoError(t, os.Remove(name))
	}
}

// byHand is what people do to compressed files, by their paths.
var byHand = map[string]func(t *testing.T, name string){ // immutable
	"decompressed":          func(t *testing.T, name string) { decompress(t, name, false) },
	"decompressed and kept": func(t *testing.T, name string) { decompress(t, name, true) },
	"decompressed in part":  decompressHalf,
	"compressed anew":       compressAnew,
}

// What says that the lines of a closed file are grouped by run stands in the compressed
// form. Somebody decompresses the files, or compresses them with another program: all
// their records are found as before, whatever becomes of the files then.
func TestDecompressedInTheFolder(t *testing.T) {
	t.Parallel()
	for name, change := range byHand {
		for into, rule := range map[string]rotation.Rule{
			"compressed then":                   {MaxBytes: 1 << 20},
			"plain then":                        {MaxBytes: 1 << 20, Compression: rotation.None},
			"zstd before, and without sidecars": {MaxBytes: 1 << 20, Compression: rotation.Zstd},
		} {
			t.Run(name+", "+into, func(t *testing.T) {
				t.Parallel()
				testDecompressed(t, rule, rule.Compression != rotation.Zstd, change)
			})
		}
	}
}

func testDecompressed(t *testing.T, rule rotation.Rule, withSidecars bool, change func(t *testing.T, name string)) {
	fail := func(err error) { t.Error(err) }
	dir := t.TempDir()
	before := rotation.Rule{MaxBytes: 16 << 10, Compression: rule.Compression}
	if before.Compression == rotation.None {
		before.Compression = rotation.Gzip
	}
	j := openIndexed(t, dir, before, fail)
	appendEntries(t, j, querytest.NewGenerator(71).Entries(600))
	flush(t, j)
	awaitSealed(t, dir)
	lines := folderText(t, dir)
	ask := func(name string, e *query.Engine, seed uint64) {
		t.Helper()
		t.Log(name)
		querytest.Check(t, e, lines, querytest.Options{Seed: seed, Queries: asked(30)})
	}
	require.NoError(t, j.Close())
	for _, name := range compressedFiles(t, dir) {
		change(t, name)
	}
	if !withSidecars {
		for _, name := range sidecars(t, dir) {
			require.NoError(t, os.Remove(name))
		}
	}
	readOnly := func(seed uint64) {
		t.Helper()
		e, err := query.Open(dir)
		require.NoError(t, err)
		ask("read only", e, seed)
		require.NoError(t, e.Close())
	}
	readOnly(72)
	j = openIndexed(t, dir, rule, fail)
	ask("opened again", query.New(query.OverJournal(j)), 73)
	require.Eventually(t, func() bool { return sealedAnew(t, dir, rule.Compression == rotation.None) }, 30*time.Second, 5*time.Millisecond)
	ask("sealed again", query.New(query.OverJournal(j)), 74)
	readOnly(75)
	require.NoError(t, j.Close())
	j = openIndexed(t, dir, rule, fail)
	ask("opened once more", query.New(query.OverJournal(j)), 76)
}

// sealedAnew reports whether each closed file has a sidecar that is younger, and, but for
// plain, none its plain form.
func sealedAnew(t *testing.T, dir string, plain bool) bool {
	t.Helper()
	closed, err := filepath.Glob(filepath.Join(dir, "*-20*.log*"))
	require.NoError(t, err)
	for _, name := range closed {
		ext := filepath.Ext(name)
		if ext == ".idx" || ext == ".log" && (slices.Contains(closed, name+".gz") || slices.Contains(closed, name+".zst")) {
			continue
		}
		if ext == ".tmp" || ext == ".log" && !plain {
			return false
		}
		data, err := os.Stat(name)
		if err != nil {
			return false
		}
		index, err := os.Stat(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst") + ".idx")
		if err != nil || index.ModTime().Before(data.ModTime()) {
			return false
		}
	}
	return true
}

// The same happens to files that a process, and a reader beside it, have in use.
func TestDecompressedInUse(t *testing.T) {
	t.Parallel()
	for name, change := range byHand {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10}, func(err error) { t.Log(err) })
			appendEntries(t, j, querytest.NewGenerator(81).Entries(600))
			flush(t, j)
			awaitSealed(t, dir)
			lines := folderText(t, dir)
			reader, err := query.Open(dir)
			require.NoError(t, err)
			defer reader.Close()
			ask := func(name string, e *query.Engine, seed uint64) {
				t.Helper()
				t.Log(name)
				querytest.Check(t, e, lines, querytest.Options{Seed: seed, Queries: asked(30)})
			}
			// Nobody has opened the texts before.
			for _, name := range compressedFiles(t, dir) {
				change(t, name)
			}
			ask("beside", reader, 82)
			ask("in the process", query.New(query.OverJournal(j)), 83)
			require.Eventually(t, func() bool { return sealedAnew(t, dir, false) }, 30*time.Second, 5*time.Millisecond)
			ask("beside, sealed again", reader, 84)
			ask("in the process, sealed again", query.New(query.OverJournal(j)), 85)
		})
	}
}

// Somebody removes lines of compressed files, the first of some runs and the last of all
// among them: all others are found, whatever becomes of the files then.
func TestLinesRemovedByHand(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(t *testing.T, name string, text []byte){
		"decompressed":    writePlain,
		"compressed anew": writeGzip,
	} {
		for into, compression := range map[string]rotation.Compression{"compressed then": rotation.Gzip, "plain then": rotation.None} {
			t.Run(name+", "+into, func(t *testing.T) {
				t.Parallel()
				testLinesRemoved(t, compression, put)
			})
		}
	}
}

func testLinesRemoved(t *testing.T, compression rotation.Compression, put func(t *testing.T, name string, text []byte)) {
	fail := func(err error) { t.Error(err) }
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 16 << 10}, fail)
	appendEntries(t, j, querytest.NewGenerator(91).Entries(600))
	flush(t, j)
	awaitSealed(t, dir)
	require.NoError(t, j.Close())
	for _, name := range compressedFiles(t, dir) {
		if log, _ := rotation.LogOf(filepath.Base(name)); log == tables.Usage {
			continue // a run without its end is ended
		}
		text, err := fileText(name)
		require.NoError(t, err)
		lines := bytes.SplitAfter(text, []byte("\n"))
		lines = lines[:len(lines)-2] // behind the last newline is nothing
		put(t, name, bytes.Join(slices.Delete(lines, 0, 2), nil))
	}
	lines := folderText(t, dir)
	ask := func(name string, e *query.Engine, seed uint64) {
		t.Helper()
		t.Log(name)
		querytest.Check(t, e, lines, querytest.Options{Seed: seed, Queries: asked(30)})
	}
	e, err := query.Open(dir)
	require.NoError(t, err)
	ask("read only", e, 92)
	require.NoError(t, e.Close())
	rule := rotation.Rule{MaxBytes: 1 << 20, Compression: compression}
	j = openIndexed(t, dir, rule, fail)
	ask("opened again", query.New(query.OverJournal(j)), 93)
	require.NoError(t, j.Close())
	j = openIndexed(t, dir, rule, fail)
	ask("opened once more", query.New(query.OverJournal(j)), 94)
	e, err = query.Open(dir)
	require.NoError(t, err)
	ask("read only again", e, 95)
	require.NoError(t, e.Close())
}

func writePlain(t *testing.T, name string, text []byte) {
	require.NoError(t, os.WriteFile(rotation.PlainName(name), text, 0o600))
	require.NoError(t, os.Remove(name))
}

func writeGzip(t *testing.T, name string, text []byte) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o600))
}
