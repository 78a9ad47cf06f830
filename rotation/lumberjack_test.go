package rotation_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// What lumberjack alone does is shown beside what a File does, so that each of
// these tests is seen to be able to fail. More of them: TestDamageOnTheRealSystem,
// TestFullDisk, TestWhileRulesChange, TestCompressInOrder,
// TestRetentionBeforeCompression.

// mills counts lumberjack's goroutines.
func mills() int {
	buf := make([]byte, 4<<20)
	return bytes.Count(buf[:runtime.Stack(buf, true)], []byte("created by gopkg.in/natefinch/lumberjack"))
}

func TestGoroutinesAreBounded(t *testing.T) {
	before := mills()
	for i := range 50 {
		l := &lumberjack.Logger{Filename: filepath.Join(t.TempDir(), fmt.Sprintf("%d.log", i))}
		_, err := l.Write([]byte("line\n"))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
	require.Equal(t, 50, mills()-before, "lumberjack leaves one for each file that was ever open (#56)")

	before = mills()
	dir := t.TempDir()
	for i := range 50 {
		f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 20}})
		require.NoError(t, err)
		for range 4 {
			write(t, f, fmt.Sprintf("a line that fills %d", i))
		}
		require.NoError(t, f.Close())
	}
	require.LessOrEqual(t, mills()-before, 10, "rotations and files one after the other share theirs")
}

func TestEveryRotationIsKept(t *testing.T) {
	const n = 1000
	dir := t.TempDir()
	l := &lumberjack.Logger{Filename: filepath.Join(dir, "plain.log")}
	start := time.Now()
	for i := range n {
		_, err := fmt.Fprintf(l, "line %d\n", i)
		require.NoError(t, err)
		require.NoError(t, l.Rotate())
	}
	require.NoError(t, l.Close())
	all, err := filepath.Glob(filepath.Join(dir, "plain-*.log"))
	require.NoError(t, err)
	// In fewer milliseconds of the clock than files some must share a name.
	most := min(n, int(time.Now().UnixMilli()-start.UnixMilli())+1)
	require.LessOrEqual(t, len(all), most, "lumberjack's names hold milliseconds, and it renames over its own files (#34)")

	dir = t.TempDir()
	var h heard
	f, err := rotation.Open(filepath.Join(dir, "user.log"), h.options(rotation.Rule{Compression: rotation.None}))
	require.NoError(t, err)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("line %d", i))
		write(t, f, want[i])
		require.NoError(t, f.Rotate())
	}
	require.NoError(t, f.Close())
	require.Equal(t, want, allLines(t, openFolder(t, vfs.OS(), dir)))
	require.Len(t, h.Closed(), n, "one hook for each")
	require.Empty(t, h.Problems())
}

func TestLargeRecordIsKept(t *testing.T) {
	line := strings.Repeat("x", 1<<20)
	l := &lumberjack.Logger{Filename: filepath.Join(t.TempDir(), "plain.log"), MaxSize: 1}
	_, err := l.Write([]byte(line + "\n"))
	require.Error(t, err, "lumberjack refuses what is larger than a file may be")

	dir := t.TempDir()
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 1 << 10}})
	require.NoError(t, err)
	write(t, f, "before", line, "after")
	require.NoError(t, f.Close())
	require.True(t, strings.Join([]string{"before", line, "after"}, "\n") == strings.Join(allLines(t, openFolder(t, vfs.OS(), dir)), "\n"))
}

func TestRetentionDoesNotWaitForARotation(t *testing.T) {
	old := func(fsys vfs.FS, dir, log string) {
		for i := range 5 {
			put(t, fsys, dir+"/"+closedAt(log, day.AddDate(-10, 0, -i)), "line\n")
		}
	}
	closed := func(fsys vfs.FS, dir string) int { return len(names(t, fsys, dir)) - 1 }
	dir := t.TempDir()
	l := &lumberjack.Logger{Filename: filepath.Join(dir, "plain.log"), MaxBackups: 2, MaxAge: 1}
	old(vfs.OS(), dir, "plain")
	_, err := l.Write([]byte("line\n"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return closed(vfs.OS(), dir) == 0 }, 10*time.Second, time.Millisecond, "it looks when it opens the file")
	old(vfs.OS(), dir, "plain")
	for range 100 {
		_, err := l.Write([]byte("line\n"))
		require.NoError(t, err)
	}
	require.Equal(t, 5, closed(vfs.OS(), dir), "and then not before it rotates")
	require.NoError(t, l.Close())

	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		old(fsys, "logs", "user")
		synctest.Wait()
		require.Equal(t, 5, closed(fsys, "logs"))
		require.NoError(t, f.SetRule(rotation.Rule{MaxFiles: 2}))
		synctest.Wait()
		require.Equal(t, 2, closed(fsys, "logs"))
		require.NoError(t, f.Close())
	})
}

func TestNamesAreUTC(t *testing.T) {
	dir := t.TempDir()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("far east", 14*3600))
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Clock: func() time.Time { return noon }})
	require.NoError(t, err)
	write(t, f, "line")
	require.NoError(t, f.Rotate())
	require.NoError(t, f.Close())
	list, err := openFolder(t, vfs.OS(), dir).List()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(list[0].Name, "user-2026-11-20T22-00-00.000.log"), list[0].Name)
}

func TestSizesAreBytes(t *testing.T) {
	dir := t.TempDir()
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 12, Compression: rotation.None}})
	require.NoError(t, err)
	write(t, f, "aaa", "bbb", "ccc", "ddd")
	require.NoError(t, f.Close())
	list, err := openFolder(t, vfs.OS(), dir).List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.EqualValues(t, 12, list[0].Bytes)
	require.EqualValues(t, 4, list[1].Bytes)
}
