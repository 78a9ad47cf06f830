package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/age"
	"github.com/steplog/steplog/rotation"
)

// boundary is a line of audit.frontiers: what is kept of a file that retention
// deletes. With it, what follows can still be proven to go on from there.
type boundary struct {
	File       string      `json:"file"`
	First      uint64      `json:"first"`
	End        uint64      `json:"end"`
	Frontier   []tlog.Hash `json:"frontier"`
	Checkpoint string      `json:"checkpoint"`
}

// retain deletes the sealed files that the rule does not keep, oldest first. A
// file on hold is kept, and so is all that is newer: a trail has no gaps.
func (r *Recorder) retain(t *trail) {
	rule := t.rule.Load()
	if rule.MaxFiles == 0 && rule.MaxAge == 0 && rule.MaxTotalBytes == 0 {
		return
	}
	if err := r.retainBy(t, rule); err != nil {
		r.opts.OnProblem(fmt.Errorf("audit: retain: %w", err))
	}
}

func (r *Recorder) retainBy(t *trail, rule *rotation.Rule) error {
	sealed, _, err := trailFiles(r.fs, r.dir)
	if err != nil {
		return err
	}
	sizes, total, err := r.sizes()
	if err != nil {
		return err
	}
	var now time.Time
	if rule.MaxAge > 0 {
		var leapt time.Duration
		if now, leapt = r.age.Now(r.opts.Clock()); leapt > 0 {
			r.opts.OnProblem(fmt.Errorf("audit: retain: %w", age.LeapError(leapt)))
		}
	}
	for i, name := range sealed {
		many := rule.MaxFiles > 0 && len(sealed)-i > rule.MaxFiles
		large := rule.MaxTotalBytes > 0 && total > rule.MaxTotalBytes
		at, err := time.Parse(sealedTime, strings.TrimSuffix(strings.TrimPrefix(name, logName+"-"), ".log"))
		old := err == nil && rule.MaxAge > 0 && now.Sub(at) > rule.MaxAge
		if !many && !large && !old {
			return nil
		}
		following := activeName
		if i+1 < len(sealed) {
			following = sealed[i+1]
		}
		kept, err := r.deleteSegment(t, name, following)
		if err != nil || kept {
			return err
		}
		total -= sizes[name]
	}
	return nil
}

// sizes returns how much disk each file takes, by its plain name, and all
// together.
func (r *Recorder) sizes() (sizes map[string]int64, total int64, err error) {
	infos, err := r.fs.ReadDir(r.dir)
	if err != nil {
		return nil, 0, err
	}
	sizes = map[string]int64{}
	for _, info := range infos {
		if log, ok := rotation.LogOf(info.Name()); ok && log == logName {
			sizes[rotation.PlainName(info.Name())] += info.Size()
			total += info.Size()
		}
	}
	return sizes, total, nil
}

// deleteSegment deletes one sealed file, after that was recorded. kept is true
// when a record in it is on hold.
func (r *Recorder) deleteSegment(t *trail, name, following string) (kept bool, err error) {
	s := r.state.Load()
	if s == nil || s.trail != t {
		return true, nil // it is being opened or closed
	}
	// No hold may come between the look at the file and its end.
	r.holds.mu.Lock()
	defer r.holds.mu.Unlock()
	folder, err := rotation.OpenFolderFS(r.fs, r.dir)
	if err != nil {
		return false, err
	}
	defer folder.Close()
	if id, err := r.holds.held(folder, name, r.mask); err != nil || id != "" {
		return id != "", err
	}
	first, err := headOf(folder, name, t)
	if err != nil {
		return false, err
	}
	end, err := headOf(folder, following, t)
	if err != nil {
		return false, err
	}
	b := boundary{File: name, First: uint64(first.frontier.size), End: uint64(end.frontier.size),
		Frontier: end.frontier.hashes, Checkpoint: string(end.checkpoint.Note)}
	if err := r.keepBoundary(&b); err != nil {
		return false, err
	}
	err = r.append(context.Background(), s, Entry{Event: SegmentDeleted,
		Target: Target{Type: segmentType, ID: name}, Before: extent{First: b.First, End: b.End}})
	if err != nil {
		return false, err
	}
	// The sidecar goes first: nobody would look for one whose file is gone.
	for _, ext := range []string{hashesExt, "", ".gz", ".zst"} {
		if err := r.fs.Remove(r.path(name + ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, r.fs.SyncDir(r.dir)
}

// headOf reads the first line of a file.
func headOf(folder *rotation.Folder, name string, t *trail) (it item, err error) {
	text, err := folder.ReaderAt(name)
	if err != nil {
		return it, err
	}
	defer text.Close()
	line, err := newLineReader(text, 8<<10).next()
	if err != nil {
		return it, fmt.Errorf("%s: %w", name, err)
	}
	w := lineWorker{trusted: t.trusted}
	w.other(&it, line)
	if it.err == nil && it.frontier == nil {
		it.err = ErrLine
	}
	if it.err != nil {
		return it, fmt.Errorf("%s: %w", name, it.err)
	}
	return it, nil
}

// keepBoundary adds a line to audit.frontiers.
func (r *Recorder) keepBoundary(b *boundary) error {
	line, err := json.Marshal(b)
	if err != nil {
		return err
	}
	f, err := r.fs.OpenFile(filepath.Join(r.dir, frontiersName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.fs.SyncDir(r.dir)
}
