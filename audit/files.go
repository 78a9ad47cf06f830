package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// sealedTime is the form of the time in the name of a sealed file.
const sealedTime = "2006-01-02T15-04-05.000"

// trailFiles lists the files of a trail as they were written, by the names that
// they have before they are compressed; the active one comes last.
func trailFiles(fsys vfs.FS, dir string) (sealed []string, active bool, err error) {
	infos, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	for _, info := range infos {
		name := info.Name()
		if log, ok := rotation.LogOf(name); !ok || log != logName || !info.Mode().IsRegular() {
			continue
		}
		if name == activeName {
			active = true
			continue
		}
		sealed = append(sealed, rotation.PlainName(name))
	}
	slices.Sort(sealed)
	return slices.Compact(sealed), active, nil
}

// sealedName is the name for a file that is sealed now: later than every other.
func sealedName(now time.Time, sealed []string) (string, error) {
	at := now.UTC().Truncate(time.Millisecond)
	if len(sealed) > 0 {
		last := strings.TrimSuffix(strings.TrimPrefix(sealed[len(sealed)-1], logName+"-"), ".log")
		newest, err := time.Parse(sealedTime, last)
		if err != nil {
			return "", fmt.Errorf("audit: the name %s: %w", sealed[len(sealed)-1], err)
		}
		if !at.After(newest) {
			at = newest.Add(time.Millisecond)
		}
	}
	name := logName + "-" + at.Format(sealedTime) + ".log"
	if _, ok := rotation.LogOf(name); !ok {
		return "", fmt.Errorf("audit: no name for a file sealed at %s", at)
	}
	return name, nil
}

// exists reports whether there is a file.
func exists(fsys vfs.FS, dir, name string) (bool, error) {
	_, err := fsys.Lstat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// publishedCheckpoint reads audit.checkpoint as it stands there; nil when there
// is none.
func publishedCheckpoint(fsys vfs.FS, dir string) ([]byte, error) {
	text, err := vfs.ReadWhole(fsys, filepath.Join(dir, checkpointName), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
