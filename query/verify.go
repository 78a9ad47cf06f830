package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/rotation"
)

// VerifyReport is what [Verify] found.
type VerifyReport struct {
	// Files is how many closed files the folder has.
	Files int
	// Indexed is how many of them have a sidecar that says what their text does. One that
	// is missing, or that a newer version of this package made, is no damage: queries
	// read the text then.
	Indexed int
	// Damaged has an error for each file that is not what it should be, which names it:
	// one that cannot be read to its end, or a sidecar that is damaged or does not say
	// what the text does. A sidecar may be deleted, it is made again.
	Damaged []error
}

// Verify reads all closed files of a folder of log files, or of a copy of one, to their
// ends, and compares their sidecars with them. It changes nothing, needs no lock, and takes
// some seconds and a few hundred megabytes of memory for a file of 100 MiB, one file at a
// time. Files that another process closes or deletes meanwhile may be left out. What an
// audit trail says of its records is checked by [audit.Verify].
//
// It returns an error of the file system, fs.ErrNotExist where there is no folder, and the
// error of ctx once that has ended; what is damaged stands in the report.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	var r VerifyReport
	folder, err := rotation.OpenFolder(dir)
	if err != nil {
		return r, err
	}
	defer folder.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return r, err
	}
	defer root.Close()
	list, err := folder.Files()
	if err != nil {
		return r, err
	}
	for _, info := range list {
		if info.Active {
			continue
		}
		switch indexed, err := verifyFile(ctx, folder, root, info.Name); {
		case ctx.Err() != nil:
			return r, context.Cause(ctx)
		case errors.Is(err, rotation.ErrNotFound):
			continue // deleted meanwhile
		case errors.Is(err, fs.ErrPermission):
			return r, err
		case err != nil:
			r.Damaged = append(r.Damaged, err)
		case indexed:
			r.Indexed++
		}
		r.Files++
	}
	return r, nil
}

// verifyFile checks one closed file, and reports whether it has a sidecar.
func verifyFile(ctx context.Context, folder *rotation.Folder, root *os.Root, name string) (indexed bool, err error) {
	stored, err := folder.OpenStored(name)
	if err != nil {
		return false, err
	}
	defer stored.Close()
	data := stored.(interface { // it is a part of a file
		io.ReaderAt
		Size() int64
	})
	plain := rotation.PlainName(name)
	index := plain + segment.Ext
	switch info, err := root.Lstat(index); {
	case errors.Is(err, fs.ErrNotExist):
		return false, readable(folder, name)
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s: no regular file", index)
	}
	sidecar, err := root.ReadFile(index)
	if err != nil {
		return false, err
	}
	switch err := segment.Verify(ctx, data, data.Size(), sidecar); {
	case err == nil:
		return true, nil
	case errors.Is(err, segment.ErrVersion), errors.Is(err, segment.ErrStale) && name == plain:
		// A plain file is still being sealed, or was when its process was killed: its
		// sidecar is that of what takes its place.
		return false, readable(folder, name)
	default:
		if broken := readable(folder, name); broken != nil {
			return false, broken
		}
		return false, fmt.Errorf("%s: %w", index, err)
	}
}

// readable reads the text of a file to its end.
func readable(folder *rotation.Folder, name string) error {
	text, err := folder.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer text.Close()
	if _, err := io.Copy(io.Discard, text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
