package rotation

import (
	"io"
	"strings"
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
	d, err := OpenFolderFS(mem, "logs")
	require.NoError(t, err)
	list, err := d.List()
	require.NoError(t, err)
	var got []string
	for _, info := range list {
		lines, err := d.Head(info.Name, 100)
		require.NoError(t, err)
		got = append(got, lines...)
	}
	require.Equal(t, want, got)
	require.Greater(t, len(list), 3)
	require.NoError(t, d.Close())
}
