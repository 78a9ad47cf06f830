//go:build unix

package query_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// Somebody writes over sidecars, as cp does that puts an old copy back, while a reader has
// them mapped and the writer has not said yet that all is in the text: the reader answers
// from the text, and does not panic.
func TestSidecarsOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 100 << 10}, nil)
	appendEntries(t, j, querytest.NewGenerator(73).Entries(2000))
	flush(t, j)
	awaitSealed(t, dir)
	require.NoError(t, j.Close())
	e, err := query.Open(dir)
	require.NoError(t, err)
	defer e.Close()
	_, err = e.Records(t.Context(), query.Filter{}, query.Paging{})
	require.NoError(t, err)

	over := func(name string, at int64, text []byte) {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(text, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	names := sidecars(t, dir)
	first, err := os.ReadFile(names[0])
	require.NoError(t, err)
	for n, name := range names {
		info, err := os.Stat(name)
		require.NoError(t, err)
		other, err := os.ReadFile(names[(n+1)%len(names)])
		require.NoError(t, err)
		if n == len(names)-1 {
			other = first
		}
		over(name, 0, other[:min(len(other), int(info.Size()))])
	}
	const shown = 1500 // as internal/journal/FORMAT.md has it
	text := binary.LittleEndian.AppendUint64(nil, shown)
	text = binary.LittleEndian.AppendUint64(text, ^uint64(shown))
	text = binary.LittleEndian.AppendUint64(text, uint64(time.Now().Add(time.Second).UnixNano()))
	over(filepath.Join(dir, ".journal", "ring"), 192, text)
	for range 3 {
		page, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Items, 10)
	}
}
