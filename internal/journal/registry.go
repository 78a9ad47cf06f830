package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/steplog/steplog/internal/vfs"
)

const registryName = "files.json"

// maxFiles bounds the logs of a folder: frames name them by 16 bits.
const maxFiles = 1 << 16

// registry gives every log of the folder a number, so that frames need not
// name it. A number is durable before a frame has it, and is never given to
// another log.
type registry struct {
	fs    vfs.FS
	path  string
	names []string // by code
	taken bool     // another process writes the folder

	stored atomic.Bool // there is a table with names; read without opening
}

// errTable is returned for a file table that cannot be what was written.
var errTable = errors.New("journal: the file table is damaged")

// registryFile is the content of .journal/files.json.
type registryFile struct {
	// Version is 1; 0 means 1.
	Version int `json:"version"`
	// Names are the logs; a log's code is its place.
	Names []string `json:"names"`
}

// openRegistry reads the table. One that is damaged gives an empty table and
// errTable.
func openRegistry(fsys vfs.FS, private string) (*registry, error) {
	r := &registry{fs: fsys, path: filepath.Join(private, registryName)}
	raw, err := vfs.ReadWhole(fsys, r.path, 16<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if errors.Is(err, vfs.ErrLong) {
		return r, fmt.Errorf("%w: %w", errTable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the file table: %w", err)
	}
	var f registryFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return r, fmt.Errorf("%w: %w", errTable, err)
	}
	if f.Version > formatVersion {
		return nil, fmt.Errorf("%s: %w", registryName, ErrVersion)
	}
	seen := map[string]bool{}
	for _, name := range f.Names {
		if log, ok := logOf(name + logExt); !ok || log != name || seen[name] {
			return r, fmt.Errorf("%w: name %q", errTable, name)
		}
		seen[name] = true
	}
	if len(f.Names) > maxFiles {
		return r, fmt.Errorf("%w: %d names", errTable, len(f.Names))
	}
	r.names = f.Names
	r.stored.Store(len(r.names) > 0)
	return r, nil
}

// code returns the number of a log, giving it one first if it has none.
func (r *registry) code(name string) (uint16, error) {
	if i := slices.Index(r.names, name); i >= 0 {
		return uint16(i), nil
	}
	if len(r.names) == maxFiles {
		return 0, fmt.Errorf("journal: more than %d logs in one folder", maxFiles)
	}
	names := append(slices.Clone(r.names), name)
	if err := r.write(names); err != nil {
		return 0, err
	}
	r.names = names
	r.stored.Store(true)
	return uint16(len(names) - 1), nil
}

// write replaces the table.
func (r *registry) write(names []string) error {
	err := ErrLocked
	if !r.taken {
		var raw []byte
		if raw, err = json.Marshal(registryFile{Version: formatVersion, Names: names}); err == nil {
			err = vfs.WriteWhole(r.fs, r.path, append(raw, '\n'))
		}
	}
	if err != nil {
		return fmt.Errorf("write the file table: %w", err)
	}
	return nil
}
