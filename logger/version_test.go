package logger_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// A folder that a newer version wrote can be told from one that is damaged, and
// stays as it is; its text can still be read.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"numbers.json":  `{"version":2,"next":7}`,
		"files.json":    `{"version":2,"logs":{}}`,
		"ring":          "steplog ring\n\x00\x03\x00",
		"dropped":       "steplog dropped\n\x02\x00",
		"settings.json": `{"version":3,"levels":{"tree":"of another form"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := logger.Open(dir, &logger.Options{KeepSettings: true})
			require.NoError(t, err)
			store.Server("edge-1").Info("kept")
			store.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Warn)
			require.NoError(t, store.Close())
			path := filepath.Join(dir, ".journal", name)
			newer := []byte(begin)
			if filepath.Ext(name) == "" { // of its own size
				newer, err = os.ReadFile(path)
				require.NoError(t, err)
				copy(newer, begin)
			}
			require.NoError(t, os.WriteFile(path, newer, 0o600))

			store, err = logger.Open(dir, &logger.Options{KeepSettings: true})
			require.ErrorIs(t, err, logger.ErrVersion)
			require.ErrorContains(t, err, dir)
			require.Nil(t, store)
			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, newer, left)

			reader, err := query.Open(dir)
			require.NoError(t, err)
			page, err := reader.Records(t.Context(), query.Filter{Search: "kept"}, query.Paging{})
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.NoError(t, reader.Close())
		})
	}
}
