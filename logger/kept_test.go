package logger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
)

// keptSettings returns the settings that the next open of a folder finds.
func keptSettings(t *testing.T, fs vfs.FS) string {
	t.Helper()
	store, err := logger.OpenFS(fs, "logs", &logger.Options{KeepSettings: true, Mode: logger.ModeWrite})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	return settingsOf(t, store)
}

func settingsOf(t *testing.T, store *logger.Store) string {
	t.Helper()
	text, err := json.Marshal(store.Levels())
	require.NoError(t, err)
	return string(text)
}

// changeSetting makes one of all changes that there are, the i-th.
func changeSetting(t *testing.T, store *logger.Store, i int) {
	scope := levels.Scope{Server: "edge-1", Service: fmt.Sprint("orders-", i%7), Operation: "sync", Action: "read"}
	tree := store.Levels()
	switch i % 5 {
	case 0:
		tree.SetLevel(t.Context(), scope, levels.Trace)
	case 1:
		tree.SetLines(t.Context(), scope, i%2 == 0)
	case 2:
		tree.SetCapture(t.Context(), scope, i%2 == 0)
	case 3:
		tree.SetLevel(t.Context(), levels.Scope{Service: scope.Service}, levels.Fatal)
	case 4:
		tree.Reset(t.Context(), scope)
	}
}

// What a change costs does not grow with the settings there are: few changes write all.
func TestManySettingsAreKept(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	var written atomic.Int64
	disk := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.Contains(op.Name, "settings.json") {
			written.Add(op.Size)
		}
		return nil
	})
	store, err := logger.OpenFS(disk, "logs", &logger.Options{KeepSettings: true, Mode: logger.ModeWrite})
	require.NoError(t, err)
	const many = 1000
	for i := range many {
		store.Levels().SetLevel(t.Context(), levels.Scope{Server: "edge-1", Service: fmt.Sprint("orders-", i)}, levels.Warn)
	}
	require.Less(t, written.Load(), int64(many*1000), "bytes")
	want := settingsOf(t, store)
	require.NoError(t, store.Close())
	require.Equal(t, want, keptSettings(t, mem))
}

// A change whose call returned outlives the process and the power, and half of one that did
// not is none, wherever the end comes.
func TestKeptSettingsOutliveTheirProcess(t *testing.T) {
	t.Parallel()
	const seed = 4
	rng := rand.New(rand.NewPCG(seed, 1))
	mem := vfs.NewMem()
	var cuts []*vfs.Mem
	disk := vfs.Inject(mem, func(op vfs.Op) error {
		if strings.Contains(op.Name, "settings.json") && op.Kind.Writes() {
			cuts = append(cuts, mem.Crash(rng, vfs.CrashOptions{}), mem.Crash(nil, vfs.CrashOptions{}))
		}
		return nil
	})
	store, err := logger.OpenFS(disk, "logs", &logger.Options{KeepSettings: true, Mode: logger.ModeWrite})
	require.NoError(t, err)
	added := 0
	for i := range 60 {
		before := settingsOf(t, store)
		changeSetting(t, store, i)
		after := settingsOf(t, store)
		if len(cuts) == 4 { // a write and a sync
			added++
		}
		for _, cut := range cuts {
			require.Contains(t, []string{before, after}, keptSettings(t, cut), "seed %d, change %d", seed, i)
		}
		cuts = nil
		require.Equal(t, after, keptSettings(t, mem.Crash(nil, vfs.CrashOptions{})), "change %d", i)
	}
	require.Greater(t, added, 30)
	require.NoError(t, store.Close())
}

// What others did to the file is met as before: it is written anew.
func TestKeptSettingsAfterOthers(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	path := filepath.Join("logs", ".journal", "settings.json")
	store, err := logger.OpenFS(mem, "logs", &logger.Options{KeepSettings: true, Mode: logger.ModeWrite})
	require.NoError(t, err)
	for i := range 20 {
		changeSetting(t, store, i)
	}
	for name, do := range map[string]func(){
		"deleted": func() { require.NoError(t, mem.Remove(path)) },
		"cut": func() {
			f, err := mem.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			require.NoError(t, f.Truncate(70))
			require.NoError(t, f.Sync())
			require.NoError(t, f.Close())
		},
	} {
		do()
		store.Levels().SetLevel(t.Context(), levels.Scope{Server: name}, levels.Error)
		require.Equal(t, settingsOf(t, store), keptSettings(t, mem.Crash(nil, vfs.CrashOptions{})), name)
	}
	require.NoError(t, store.Close())
}

// Lines that are damaged stop an open, but for the last one: nobody was told that it is kept.
func TestKeptSettingsDamaged(t *testing.T) {
	t.Parallel()
	const whole = `{"version":2,"levels":{"settings":[{"level":"warn"}]}}` + "\n"
	for name, c := range map[string]struct {
		lines string
		want  string // "" for no open
	}{
		"of version 1":  {"", `{"settings":[{"level":"warn"}]}`},
		"a change":      {`{"server":"a","lines":false}` + "\n", `{"settings":[{"level":"warn"},{"server":"a","lines":false}]}`},
		"torn":          {`{"server":"a","lines":false}` + "\n" + `{"level":"er`, `{"settings":[{"level":"warn"},{"server":"a","lines":false}]}`},
		"a lost page":   {"\x00\x00\x00\"}\n", `{"settings":[{"level":"warn"}]}`},
		"in the middle": {`{"server":"a",` + "\n" + `{"level":"error"}` + "\n", ""},
		"no level":      {`{"level":"loud"}` + "\n" + `{"level":"error"}` + "\n", ""},
	} {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll("logs/.journal", 0o700))
		text := whole + c.lines
		if c.lines == "" {
			text = strings.Replace(text, "2", "1", 1)
		}
		require.NoError(t, vfs.WriteWhole(mem, "logs/.journal/settings.json", []byte(text)))
		if c.want != "" {
			require.Equal(t, c.want, keptSettings(t, mem), name)
			continue
		}
		_, err := logger.OpenFS(mem, "logs", &logger.Options{KeepSettings: true})
		require.ErrorContains(t, err, "settings.json", name)
	}
}

// After a sync that failed nobody adds to the file: it is written anew, as soon as that can be.
func TestKeptSettingsAfterAFailedSync(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	var renamed atomic.Int64
	mem := vfs.NewMem()
	disk := vfs.Inject(mem, func(op vfs.Op) error {
		if !strings.Contains(op.Name, "settings.json") || op.Kind != vfs.OpSync && op.Kind != vfs.OpRename {
			return nil
		}
		if failing.Load() {
			return errors.New("the disk fails")
		}
		if op.Kind == vfs.OpRename {
			renamed.Add(1)
		}
		return nil
	})
	var problems heard
	store, err := logger.OpenFS(disk, "logs", &logger.Options{KeepSettings: true, Mode: logger.ModeWrite, OnProblem: problems.hook})
	require.NoError(t, err)
	set := func(server string) {
		store.Levels().SetLevel(t.Context(), levels.Scope{Server: server}, levels.Error)
	}
	for i := range 20 {
		set(fmt.Sprint("edge-", i))
	}
	for renamed.Store(0); renamed.Load() == 0; { // now there is room for lines
		set(fmt.Sprint("next-", len(settingsOf(t, store))))
	}
	renamed.Store(0)
	failing.Store(true)
	set("fails")
	failing.Store(false)
	set("a")
	require.EqualValues(t, 1, renamed.Load())
	set("b")
	require.EqualValues(t, 1, renamed.Load())
	require.Equal(t, settingsOf(t, store), keptSettings(t, mem.Crash(nil, vfs.CrashOptions{})))
	require.NoError(t, store.Close())
	require.Len(t, problems.all(), 1)
}
