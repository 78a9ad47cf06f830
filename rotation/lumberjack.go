package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/steplog/steplog/internal/vfs"
)

// idle holds closed lumberjack Loggers. Each has a goroutine that nothing can
// stop, so they are used again: there are as many as files were ever open at
// once. It is the only package variable that changes.
var idle loggers

type loggers struct {
	mu   sync.Mutex
	list []*lumberjack.Logger // all closed
}

// take returns a closed Logger. Its limits are set once and never changed,
// because its goroutine reads them without a lock: the size is never reached
// and the rest is off, so that it never renames, deletes or compresses.
func (l *loggers) take() *lumberjack.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.list); n > 0 {
		j := l.list[n-1]
		l.list = l.list[:n-1]
		return j
	}
	return &lumberjack.Logger{MaxSize: math.MaxInt32}
}

func (l *loggers) give(j *lumberjack.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, j)
}

// lumberjackAppender writes through lumberjack and does the rest with a
// descriptor of its own.
type lumberjackAppender struct {
	mu     sync.Mutex // guards logger against Close
	logger *lumberjack.Logger
	file   vfs.File
}

// errNotOurs is returned when lumberjack opened something else than the file
// that was made for it.
var errNotOurs = errors.New("rotation: the file was exchanged while it was opened")

func newLumberjackAppender(file vfs.File, path string) (appender, error) {
	logger := idle.take()
	// Where descriptors have names lumberjack opens ours: it cannot get at
	// another file then, and when it cannot open it, it cannot move the file
	// away either, which is what it would do with a path.
	logger.Filename = path
	var err error
	if name := descriptorName(file); name != "" {
		logger.Filename = name
	} else {
		err = mayOpen(file, path)
	}
	if err == nil {
		_, err = logger.Write(nil) // opens
	}
	if err == nil && logger.Filename == path {
		err = sameFile(file, path)
	}
	if err != nil {
		if logger.Filename != path {
			err = whyNotOpened(logger.Filename, err)
		}
		_ = logger.Close() // nothing was written through it
		idle.give(logger)
		return nil, fmt.Errorf("open %s for appending: %w", path, err)
	}
	return &lumberjackAppender{logger: logger, file: file}, nil
}

// mayOpen tries before lumberjack does: what it cannot open by its path, without a
// descriptor left, it moves away, and what is not there it makes.
func mayOpen(file vfs.File, path string) error {
	if err := sameFile(file, path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if named := (*fs.PathError)(nil); errors.As(err, &named) {
		return named.Err // the caller says which file
	}
	if err != nil {
		return err
	}
	return f.Close() // nothing was written through it
}

// whyNotOpened returns why the descriptor's name could not be opened: lumberjack tells
// only that it could not move the file away either, which it tries then.
func whyNotOpened(name string, told error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_ = f.Close() // nothing was written through it
		return told
	}
	if named := (*fs.PathError)(nil); errors.As(err, &named) {
		err = named.Err // the descriptor's name says nothing to anybody
	}
	return err
}

// sameFile checks that path leads to file: as it was made before lumberjack
// opened the path and is still there after, that is what lumberjack has.
func sameFile(file vfs.File, path string) error {
	ours, err := file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(ours, named) {
		return errNotOurs
	}
	return nil
}

func (a *lumberjackAppender) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.logger == nil {
		return 0, os.ErrClosed // a closed Logger would open the file again
	}
	n, err := a.logger.Write(p)
	// The name in it may be the descriptor's, which says nothing to anybody.
	if named := (*fs.PathError)(nil); errors.As(err, &named) {
		err = named.Err
	}
	return n, err
}

func (a *lumberjackAppender) Sync() error { return a.file.Sync() }

func (a *lumberjackAppender) Truncate(size int64) error { return a.file.Truncate(size) }

func (a *lumberjackAppender) Size() (int64, error) {
	info, err := a.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (a *lumberjackAppender) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.logger == nil {
		return os.ErrClosed
	}
	err := a.logger.Close()
	idle.give(a.logger)
	a.logger = nil
	return errors.Join(err, a.file.Close())
}
