package rotation_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/rotation"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	closed := 0
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 100},
		OnClose: func(i rotation.Info) { closed++ }, OnProblem: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	for i := range 1000 {
		_, err := fmt.Fprintf(f, `{"seq":%d,"timestamp":"2026-11-21T02:03:04.123456789Z","message":"x"}`+"\n", i)
		require.NoError(t, err)
	}
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.Equal(t, 999, closed)
	d, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	defer d.Close()
	list, err := d.List()
	require.NoError(t, err)
	require.Len(t, list, 1000)
	n := 0
	for _, i := range list {
		lines, err := d.Tail(i.Name, 10)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		require.Contains(t, lines[0], fmt.Sprintf(`"seq":%d,`, n))
		require.False(t, i.First.IsZero())
		require.False(t, i.Last.IsZero())
		n++
	}
}
