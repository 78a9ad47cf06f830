package export

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// Zip writes a main, sub or line log with everything that belongs to it to w,
// as a zip with one entry, log-<id>.json:
//
//	{"log":…,"errors":[…],"request":…,"response":…,"steps":[…],"lines":[…]}
//
// log is the log as the integrator's API lists it. errors are the errors that
// were logged in it, with message, code and causes. request and response are
// its captured input and output, those of its step for a line log; null where
// nothing was captured. steps are the steps of a main log, each with its own
// request and response; lines the line logs, both oldest first.
//
// Where the folder has an audit trail and ctx has an actor, that has a record of
// it; see audit.LogExported.
//
// Zip returns [query.ErrNotFound], with nothing written, when id is not that of
// a main, sub or line log.
func Zip(ctx context.Context, w io.Writer, e *query.Engine, id uint64) error {
	log, err := document.Find(ctx, e, id)
	if err != nil {
		return fmt.Errorf("export: log %d: %w", id, err)
	}
	e.Tell(ctx, query.Read{Export: true, What: fmt.Sprintf("log %d", id), Project: log.Project, Operation: log.Operation})
	archive := zip.NewWriter(w)
	if err := addLog(ctx, archive, log); err != nil {
		return err
	}
	return archive.Close()
}

// ZipRuns writes the main logs of all runs that a filter selects to w, as one zip
// with an entry for each like that of [Zip], oldest first, and returns how many
// they are. Runs that start meanwhile are not among them. Without any the zip is
// empty. After an error the zip is not whole.
//
// The actor of ctx exported them all at once; see audit.LogExported.
func ZipRuns(ctx context.Context, w io.Writer, e *query.Engine, f query.RunFilter) (int64, error) {
	asked, ctx := ctx, query.PartOf(ctx)
	archive := zip.NewWriter(w)
	var written int64
	paging := query.Paging{Limit: 1000, Oldest: true}
	for {
		page, err := e.MainLogs(ctx, f, paging)
		if err != nil {
			return written, fmt.Errorf("export: %w", err)
		}
		if paging.Cursor == "" {
			e.Tell(asked, query.Read{Export: true, What: "main logs", Project: f.Project, Operation: f.Operation, Run: f.Run})
		}
		for _, run := range page.Items {
			log, err := document.Find(ctx, e, run.ID)
			if errors.Is(err, query.ErrNotFound) {
				continue // expired since it was found
			}
			if err != nil {
				return written, fmt.Errorf("export: log %d: %w", run.ID, err)
			}
			if err := addLog(ctx, archive, log); err != nil {
				return written, err
			}
			written++
		}
		if page.Next == "" {
			return written, archive.Close()
		}
		paging.Cursor = page.Next
	}
}

// addLog adds the entry of a log.
func addLog(ctx context.Context, archive *zip.Writer, log *document.Log) error {
	entry, err := add(archive, fmt.Sprintf("log-%d.json", log.ID), log.Created)
	if err == nil {
		err = log.WriteJSON(ctx, entry)
	}
	if err != nil {
		return fmt.Errorf("export: log %d: %w", log.ID, err)
	}
	return nil
}

// Files writes files of the folder to w as a zip of text files: those named, or
// all that are there when none is. Names are those of [rotation.Folder.List].
// Compressed files are written as the text they hold, in the order in which it
// was logged, under their names without the ending of the compression; of a
// file that is being written, the whole lines that are there when its turn
// comes.
//
// Each file is downloaded by the actor of ctx; see [rotation.Folder.Download].
//
// Files returns an error that wraps [rotation.ErrNotFound] for a name that is
// not in the folder.
func Files(ctx context.Context, w io.Writer, folder *rotation.Folder, names ...string) error {
	if len(names) == 0 {
		return FilesOf(ctx, w, folder, func(string) bool { return true })
	}
	infos, err := folder.List()
	if err != nil {
		return err
	}
	return zipFiles(ctx, w, folder, infos, names, false)
}

// FilesOf is [Files] for all files of some logs: those for whose names of reports
// true. A file that is rotated or deleted meanwhile may be missing.
func FilesOf(ctx context.Context, w io.Writer, folder *rotation.Folder, of func(log string) bool) error {
	infos, err := folder.List()
	if err != nil {
		return err
	}
	var names []string
	for _, info := range infos {
		if of(info.Log) {
			names = append(names, info.Name)
		}
	}
	return zipFiles(ctx, w, folder, infos, names, true)
}

// zipFiles writes files out of a list; gone is whether they may have been deleted since.
func zipFiles(ctx context.Context, w io.Writer, folder *rotation.Folder, infos []rotation.Info, names []string, gone bool) error {
	changed := make(map[string]time.Time, len(infos))
	for _, info := range infos {
		changed[info.Name] = info.Last
	}
	archive := zip.NewWriter(w)
	added := make(map[string]bool, len(names))
	for _, name := range names {
		plain := rotation.PlainName(name)
		if added[plain] {
			continue
		}
		added[plain] = true
		err := addFile(ctx, archive, plain, folder, name, changed[name])
		if gone && errors.Is(err, rotation.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return archive.Close()
}

func addFile(ctx context.Context, archive *zip.Writer, plain string, folder *rotation.Folder, name string, changed time.Time) error {
	text, err := folder.Download(ctx, name)
	if err != nil {
		return err
	}
	defer text.Close() // only read
	entry, err := add(archive, plain, changed)
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// add starts an entry. A zip cannot tell times before 1980: an entry without a
// time has that of the zip.
func add(archive *zip.Writer, name string, changed time.Time) (io.Writer, error) {
	if changed.Year() < 1980 {
		changed = time.Now()
	}
	return archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: changed.UTC()})
}
