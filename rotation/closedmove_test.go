package rotation

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
)

// TestWhereOpenFilesCannotMove runs rotation as it is on windows: the file is
// closed before it gets its name, and opened again when it cannot have it.
func TestWhereOpenFilesCannotMove(t *testing.T) {
	var problems []error
	fail := 0 // of the next renames
	lastSync := ""
	mem := vfs.NewMem()
	open := map[string]int{}
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpOpen:
			open[op.Name]++
		case vfs.OpClose:
			open[op.Name]--
		case vfs.OpSync:
			lastSync = op.Name
		case vfs.OpRenameNew:
			require.LessOrEqual(t, open[op.Name], 0, "%s is open", op.Name)
			if fail > 0 {
				fail--
				return io.ErrUnexpectedEOF
			}
			require.Equal(t, op.Name, lastSync)
		}
		return nil
	})
	f, err := OpenFS(fsys, "logs/user.log", &Options{
		Rule:      Rule{MaxBytes: 30, Compression: None},
		OnProblem: func(err error) { problems = append(problems, err) },
	})
	require.NoError(t, err)
	f.moves = false
	open["logs/user.log"] = 1 // the first open asks twice
	var want []string
	for i := range 20 {
		if i == 17 {
			fail = 1
		}
		want = append(want, strings.Repeat("x", i))
		_, err := f.Write([]byte(want[i] + "\n"))
		require.NoError(t, err)
		require.NoError(t, f.Sync())
	}
	require.NoError(t, f.Close())
	require.Len(t, problems, 1)
	require.Equal(t, want, linesIn(t, mem))
	list, err := mem.ReadDir("logs")
	require.NoError(t, err)
	require.Greater(t, len(list), 3)
}

// The file cannot have its name, and for a moment cannot be opened again either, as
// while something else looks at it; or it has its name, and neither can the next one be
// made nor the name be taken back. It is written on afterwards.
func TestWhereAClosedFileCannotBeOpened(t *testing.T) {
	for _, failing := range []int64{1, 2} { // of the renames
		var renames, opens atomic.Int64
		var broken atomic.Bool
		mem := vfs.NewMem()
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if broken.Load() && (op.Kind == vfs.OpRenameNew && renames.Add(1) == failing || op.Kind == vfs.OpOpen && opens.Add(1) == 1) {
				return io.ErrUnexpectedEOF
			}
			return nil
		})
		f, err := OpenFS(fsys, "logs/user.log", &Options{Rule: Rule{Compression: None}})
		require.NoError(t, err)
		f.moves = false
		_, err = f.Write([]byte("one\n"))
		require.NoError(t, err)
		broken.Store(true)
		require.Error(t, f.Rotate())
		broken.Store(false)
		_, err = f.Write([]byte("two\n"))
		require.NoError(t, err)
		require.NoError(t, f.Rotate())
		_, err = f.Write([]byte("three\n"))
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
		require.Equal(t, []string{"one", "two", "three"}, linesIn(t, mem))
	}
}

// linesIn reads every file of the folder.
func linesIn(t *testing.T, fsys vfs.FS) (got []string) {
	t.Helper()
	d, err := OpenFolderFS(fsys, "logs")
	require.NoError(t, err)
	defer d.Close()
	list, err := d.List()
	require.NoError(t, err)
	for _, info := range list {
		lines, err := d.Head(info.Name, 100)
		require.NoError(t, err)
		got = append(got, lines...)
	}
	return got
}
