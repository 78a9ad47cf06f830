// Package archive stores log files and single logs elsewhere: in object storage
// or another folder, through the four operations of [Bucket].
//
// [Files] stores the closed files of a folder, each once, as they are stored
// there. [Log] stores one main, sub or line log with all its details, as
// export.Zip writes it; Store.MarkArchived then makes the log say so.
//
// [OpenFolder] is a Bucket in a folder. The one for S3 is a module of its own,
// github.com/steplog/steplog/export/archive/s3.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

var (
	// ErrNotFound is returned for an object that is not there.
	ErrNotFound = errors.New("archive: no such object")
	// ErrName is returned for a name that no object can have: names are paths
	// with slashes, without empty parts, "." and "..", of at most 1,024 bytes.
	ErrName = errors.New("archive: not the name of an object")
)

// maxName is the longest name that S3 takes, in bytes.
const maxName = 1024

// Bucket holds objects by name. Names are paths with slashes. A Bucket must be
// safe for concurrent use, and its methods end soon after their context.
type Bucket interface {
	// Put stores an object, in place of one that has the name. It is there whole
	// or not at all.
	Put(ctx context.Context, name string, r io.Reader) error
	// Get opens an object, or returns [ErrNotFound], at once or from Read.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List yields the objects whose names begin with prefix, sorted by name. An
	// error is the last element.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete deletes an object. One that is not there is no error.
	Delete(ctx context.Context, name string) error
}

// Object describes what is stored under a name.
type Object struct {
	Name    string
	Bytes   int64
	Changed time.Time
}

// CheckName returns an error that wraps [ErrName] for a name that no object can
// have. It is for those who write a Bucket.
func CheckName(name string) error {
	if len(name) > maxName || name == "" || name == "." || name == ".." || path.Clean(name) != name || name[0] == '/' ||
		strings.HasPrefix(name, "../") || strings.ContainsAny(name, "\x00\\") {
		return fmt.Errorf("%w: %.80q", ErrName, name)
	}
	return nil
}

// Files stores the closed files of a folder that are not in the bucket yet, as
// they are stored there. Names are prefix, which may end in a slash, and the
// file's. It returns the names of the objects that it made, in the folder's order,
// also with an error. A file that is deleted or compressed meanwhile is left for
// the next call; active files are never stored. An audit trail has no record of it.
//
// A file that was stored plain and compressed later is stored again under its
// new name; the earlier object is deleted then.
func Files(ctx context.Context, b Bucket, folder *rotation.Folder, prefix string) ([]string, error) {
	infos, err := folder.List()
	if err != nil {
		return nil, err
	}
	stored := map[string]bool{}
	for object, err := range b.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("archive: list: %w", err)
		}
		stored[object.Name] = true
	}
	var made []string
	for _, info := range infos {
		name := prefix + info.Name
		if info.Active {
			continue
		}
		if !stored[name] {
			err := putFile(ctx, b, folder, info.Name, name)
			if errors.Is(err, rotation.ErrNotFound) {
				continue
			}
			if err != nil {
				return made, err
			}
			made = append(made, name)
		}
		// Also of one that an earlier call stored and then could not do this for.
		if plain := rotation.PlainName(name); plain != name && stored[plain] {
			if err := b.Delete(ctx, plain); err != nil {
				return made, fmt.Errorf("archive: delete %s: %w", plain, err)
			}
		}
	}
	return made, nil
}

func putFile(ctx context.Context, b Bucket, folder *rotation.Folder, file, name string) error {
	text, err := folder.OpenStored(file)
	if err != nil {
		return err
	}
	defer text.Close() // only read
	if err := b.Put(ctx, name, text); err != nil {
		return fmt.Errorf("archive: put %s: %w", name, err)
	}
	return nil
}

// Log stores a main, sub or line log with everything that belongs to it, as the
// zip that export.Zip writes, and returns the object's name: prefix,
// "log-<id>.zip". It returns [query.ErrNotFound], with nothing stored, when there
// is no such log. What is stored of a run in progress is what there is now.
func Log(ctx context.Context, b Bucket, e *query.Engine, id uint64, prefix string) (string, error) {
	name := fmt.Sprintf("%slog-%d.zip", prefix, id)
	r, w := io.Pipe()
	done := make(chan error, 1)
	var panicked any
	go func() {
		err := errors.New("the export was ended") // by a backend that ends its goroutine
		defer func() {
			if panicked = recover(); panicked != nil {
				err = errors.New("the export panicked")
			}
			w.CloseWithError(err) // the reader sees it: nothing is stored then
			done <- err
		}()
		err = export.Zip(ctx, w, e, id)
	}()
	put := func() error {
		defer r.Close() // a Put that stopped early, or panics, lets the writer go
		return b.Put(ctx, name, r)
	}()
	made := <-done
	if panicked != nil {
		panic(panicked) // here, where the caller may recover it
	}
	switch {
	case made != nil && !errors.Is(made, io.ErrClosedPipe):
		return "", fmt.Errorf("archive: %w", made)
	case put != nil:
		return "", fmt.Errorf("archive: put %s: %w", name, put)
	case made != nil:
		return "", fmt.Errorf("archive: put %s: %w", name, io.ErrShortWrite)
	}
	return name, nil
}
