package rotation

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/steplog/steplog/internal/vfs"
)

// fileMode and dirMode are what files and folders get, whatever the umask:
// logs may hold what only their owner should see.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// appender is the way bytes take to an open file. On the real system Write is
// lumberjack's; everywhere else it is the file's own.
type appender interface {
	// Write appends p at the end of the file, wherever that is by now.
	Write(p []byte) (int, error)
	// Sync makes what was written durable.
	Sync() error
	// Truncate cuts the file; the next Write goes to its new end.
	Truncate(size int64) error
	// Size asks the system for the file's size.
	Size() (int64, error)
	// Close ends writing. It does not sync.
	Close() error
}

// newAppender makes the appender for a file that was opened under path for
// reading and appending, and that it owns from then on.
type newAppender func(file vfs.File, path string) (appender, error)

// appenderFor picks the appender of a file system.
func appenderFor(fsys vfs.FS) newAppender {
	if fsys == vfs.OS() {
		return newLumberjackAppender
	}
	return newPlainAppender
}

// plainAppender writes to the file itself, which is open for appending.
type plainAppender struct{ vfs.File }

func newPlainAppender(file vfs.File, _ string) (appender, error) {
	return plainAppender{file}, nil
}

func (a plainAppender) Size() (int64, error) {
	info, err := a.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// text is an open file of a log.
type text struct {
	appender
	file vfs.File    // a descriptor opened before the first write, for everything but writing
	id   fs.FileInfo // what the file was when it was opened: who it is

	reserved int64 // blocks are reserved up to here; -1 when that cannot be had
}

// maxReserve bounds the blocks that are reserved ahead, in bytes. Writing into
// reserved blocks takes a quarter less of the processor (ext4, blocks of 256 KiB
// and more), whatever the step beyond 16 MiB.
const maxReserve = 16 << 20

// reserve makes room for n more bytes behind size: as much again as the file
// has, so that small files stay small on the disk. What cannot be had is done
// without.
func (t *text) reserve(size, n int64) {
	if t.reserved < 0 || size+n <= t.reserved || size < 64<<10 {
		return
	}
	want := size + n + min(size, maxReserve)
	if t.file.Allocate(want, true) != nil {
		t.reserved = -1
		return
	}
	t.reserved = want
}

// release gives back what was reserved and is not used.
func (t *text) release() error {
	if t.reserved <= 0 {
		return nil
	}
	t.reserved = -1
	size, err := t.Size()
	if err != nil {
		return err
	}
	return t.Truncate(size)
}

// openText opens the file at path, which must be a regular one; flag is what
// is wanted beside reading and appending.
func openText(fsys vfs.FS, open newAppender, path string, flag int) (*text, error) {
	file, err := fsys.OpenFile(path, os.O_RDWR|os.O_APPEND|flag, fileMode)
	if err != nil {
		return nil, err
	}
	id, err := file.Stat()
	if err == nil && !id.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	var a appender
	if err == nil {
		a, err = open(file, path)
	}
	if err != nil {
		_ = file.Close() // nothing was written through it
		return nil, err
	}
	return &text{appender: a, file: file, id: id}, nil
}
