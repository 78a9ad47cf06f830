package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// followEvery is how often a waiting reader looks at the text: the writer's
// lines are in it at most 10 ms after the call that logged them.
const followEvery = 10 * time.Millisecond

// follower keeps the tables of a reader up with the text that another process
// writes.
type follower struct {
	mu     sync.Mutex
	states map[*tables.Segment]fs.FileInfo // what each segment's file was when last read
	moved  bool                            // a file was renamed or went away during a pass
	unread map[*tables.Segment]bool        // to be read again, whatever their files are
	amiss  bool                            // runs are to be derived again: a file of them went away
	broken error                           // the last failure, so that it is reported once
	shown  uint64                          // AsOf of the last snapshot
}

// OpenReader opens a folder read only: it takes no lock, changes nothing and
// follows what a writer adds, rotates, compresses and deletes meanwhile. The
// folder must exist. Appending returns ErrClosed.
func OpenReader(fsys vfs.FS, dir string) (*Journal, error) {
	j := newJournal(dir, Options{FS: fsys})
	dir = j.dir
	folder, err := rotation.OpenFolderFS(j.fs, dir)
	if err != nil {
		return nil, err
	}
	j.folder = folder
	j.follow.states, j.follow.unread = map[*tables.Segment]fs.FileInfo{}, map[*tables.Segment]bool{}
	if err := j.follow.guardedRefresh(j); err != nil {
		folder.Close()
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	j.done.Add(1)
	go j.keepIndexing()
	return j, nil
}

// maxPasses bounds how often a folder is read for one snapshot while its files
// are rotated and deleted under the reader.
const maxPasses = 20

// snapshot takes in what is new and returns what every file is known to have.
//
// A writer with a ring moves records file by file, not in the order of seq. It
// publishes up to which seq all of them are in the text: what was published
// before the files are read is complete afterwards. A pass during which a file
// was renamed or went away may have missed it under both names, and does not
// count.
//
// Without a ring the writer writes in the order of seq. The files are read one
// after the other, so a later file may show a record whose predecessor in an
// earlier file was not there yet when that was read. After a second pass
// everything up to the newest seq of the first is complete. The same is done
// where the writer is gone and nothing changes: what a process that died left in the
// ring is not shown before another one has written it. That one begins with what was
// published before, and what was shown since stays shown. A process that was stopped
// has its lock.
func (w *follower) snapshot(j *Journal) *Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	complete, err := w.catchUp(j)
	if complete < w.shown && slices.ContainsFunc(j.tables.Segments(), func(seg *tables.Segment) bool { return seg.Last() >= w.shown }) {
		complete = w.shown // of the same folder: one made anew begins anew
	}
	if err != nil && (w.broken == nil || w.broken.Error() != err.Error()) {
		j.problemCount.Add(1)
	}
	w.broken = err
	for range maxPasses {
		var snap *Snapshot
		err = j.Guarded(func() error {
			snap = j.snapshot(complete)
			return nil
		})
		if err == nil {
			w.shown = snap.AsOf
			return snap
		}
		_ = w.guardedRefresh(j) // tried again at the next snapshot
	}
	return j.snapshot(tables.Everything)
}

// catchUp takes in what is new, and returns up to which seq nothing of it is missing.
func (w *follower) catchUp(j *Journal) (complete uint64, err error) {
	complete = tables.Everything
	passes, calm := 2, 0
	for try := 0; calm < passes && try < maxPasses && err == nil; try++ {
		if calm == 0 {
			var published bool
			if complete, published = w.published(j); published {
				passes = 1
			} else {
				passes = 2
			}
		}
		w.moved = false
		if err = w.guardedRefresh(j); w.moved {
			calm = 0
			continue
		}
		if calm++; calm == 1 && passes == 2 {
			complete = j.tables.Newest()
		} else if passes == 2 && err == nil {
			if _, began := w.published(j); began {
				calm = 0 // meanwhile: what both passes saw need not be complete
			}
		}
	}
	return complete, err
}

// guardedRefresh is refresh, and once more after a sidecar could not be read.
func (w *follower) guardedRefresh(j *Journal) (err error) {
	try := func() error { return j.Guarded(func() error { return w.refresh(j) }) }
	if err = try(); !errors.Is(err, ErrGone) {
		return err
	}
	w.moved, w.amiss = true, true
	return try()
}

// published returns up to which seq a writer says that all is in the text; false
// when there is none, or one without a ring.
func (w *follower) published(j *Journal) (uint64, bool) {
	f, err := j.fs.OpenFile(filepath.Join(j.dir, privateDir, ringName), os.O_RDONLY, 0)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	header := make([]byte, offSynced)
	for range maxPasses {
		if n, _ := f.ReadAt(header, 0); n < len(header) {
			return 0, false
		}
		if seq, alive, ok := written(header); ok {
			since := time.Since(time.Unix(0, alive)).Abs()
			return seq, since < aliveFor || since < followedFor && holds(header) ||
				alive != 0 && vfs.Locked(j.fs, j.privatePath(lockName))
		}
	}
	return 0, false
}

// wait is Wait of a reader: it looks again and again.
func (w *follower) wait(ctx context.Context, j *Journal, after uint64) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if w.snapshot(j).AsOf > after {
			return nil
		}
		select {
		case <-tick.C:
		case <-j.stop:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refresh brings the segments in line with the folder. The caller holds mu or
// is OpenReader, and guards it.
func (w *follower) refresh(j *Journal) error {
	infos, err := j.fs.ReadDir(j.dir)
	if err == nil {
		err = j.folder.Follow()
	}
	if err != nil {
		return err
	}
	files := j.filesOf(infos)
	for _, seg := range j.readers.takeSuspects() {
		w.giveUp(j, seg)
	}
	w.match(j, files)
	known := map[string]*tables.Segment{}
	for _, seg := range j.tables.Segments() {
		known[seg.Name()] = seg
	}
	names := make([]string, 0, len(files))
	logs := make(map[string]string, len(files)) // asked for often: a tail that catches up looks here twice for each part
	for name := range files {
		names = append(names, name)
		logs[name], _ = rotation.LogOf(name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := usageFirst(logs[a]) - usageFirst(logs[b]); d != 0 {
			return d
		}
		return tables.Compare(logs[a], a, logs[b], b)
	})
	// Once more where runs are derived again, for which usage is read first.
	for range 2 {
		if w.amiss {
			w.relearn(j)
		}
		for _, name := range names {
			if err := w.read(j, known[name], name, files[name]); errors.Is(err, errDisorder) {
				w.amiss = true
				break
			} else if err != nil {
				return err
			}
		}
		if !w.amiss {
			break
		}
		for _, seg := range j.tables.Segments() {
			known[seg.Name()] = seg
		}
	}
	j.tables.Runs.Settle(true)
	return nil
}

// filesOf returns the files of logs by base name, each in the form that counts. A file
// that has two names, because a rename that the system does in two steps is
// under way or was cut short, has the active one.
func (j *Journal) filesOf(infos []fs.FileInfo) map[string]fs.FileInfo {
	files := map[string]fs.FileInfo{}
	var closed []fs.FileInfo // plain ones
	for _, info := range infos {
		name := rotation.PlainName(info.Name())
		log, ok := logOf(name)
		if !ok || !info.Mode().IsRegular() {
			continue
		}
		if other, have := files[name]; !have || rotation.Counts(info, other) {
			files[name] = info
		}
		if name == info.Name() && name != log+logExt {
			closed = append(closed, info)
		}
	}
	for _, info := range closed {
		log, _ := logOf(info.Name())
		if active := files[log+logExt]; active != nil && j.fs.SameFile(active, info) {
			delete(files, info.Name())
		}
	}
	return files
}

// match renames the segments whose active file was rotated and removes those
// whose file is gone or was replaced.
func (w *follower) match(j *Journal, files map[string]fs.FileInfo) {
	for _, seg := range j.tables.Segments() {
		name := seg.Name()
		now, there := files[name]
		state := w.states[seg]
		if name != seg.File+".log" {
			if !there {
				w.remove(j, seg)
			}
			continue
		}
		if state == nil {
			w.remove(j, seg) // it was never read
			continue
		}
		if there && j.fs.SameFile(now, state) && now.Size() >= state.Size() && w.begins(j, seg, now) {
			continue
		}
		renamed := ""
		for other, info := range files {
			if log, _ := rotation.LogOf(other); log == seg.File && other != name && j.fs.SameFile(info, state) {
				renamed = other
				break
			}
		}
		if renamed == "" {
			w.remove(j, seg)
			continue
		}
		w.moved = true
		j.tables.Renamed(seg, renamed)
		j.readers.rotated(seg)
	}
}

// begins reports whether an active file still begins with the first row of its segment.
// A file system gives the number of a deleted file to the next one, and a reader that
// looks seldom meets that in its place.
func (w *follower) begins(j *Journal, seg *tables.Segment, now fs.FileInfo) bool {
	rows, state := seg.Rows(), w.states[seg]
	if rows.Len() == 0 || now.Size() == state.Size() && now.ModTime().Equal(state.ModTime()) {
		return true
	}
	text, err := j.fs.OpenFile(filepath.Join(j.dir, now.Name()), os.O_RDONLY, 0)
	if err != nil {
		return true // whoever reads it hears of that
	}
	defer text.Close()
	if info, err := text.Stat(); err != nil || !j.fs.SameFile(info, now) {
		return true // the next pass finds what became of it
	}
	first := rows.At(0)
	head := make([]byte, min(first.Len, 32)) // more than its beginning and a number
	if n, err := text.ReadAt(head, int64(first.Offset)); n < len(head) && !errors.Is(err, io.EOF) {
		return true
	}
	if seq, ok := line.SeqOf(head); ok {
		return seq == first.Seq
	}
	head = make([]byte, first.Len)
	if n, err := text.ReadAt(head, int64(first.Offset)); n < len(head) && !errors.Is(err, io.EOF) {
		return true
	}
	seq, ok := line.NumberOf(head)
	return ok && seq == first.Seq
}

// remove takes a segment out whose file is not there under its name. It may
// come back: what it counted is taken back.
func (w *follower) remove(j *Journal, seg *tables.Segment) {
	w.amiss = w.amiss || seg.File == tables.Usage && seg.Last() > 0
	j.tables.Uncount(seg)
	w.takeOut(j, seg)
}

// giveUp does so with one that does not hold what it held: what it counted
// cannot be told any more.
func (w *follower) giveUp(j *Journal, seg *tables.Segment) {
	w.amiss = true
	w.takeOut(j, seg)
}

func (w *follower) takeOut(j *Journal, seg *tables.Segment) {
	w.moved = true
	j.tables.Unlist(seg)
	j.readers.drop(seg)
	delete(w.states, seg)
	delete(w.unread, seg)
}

// read takes in the part of a file that is new.
func (w *follower) read(j *Journal, seg *tables.Segment, name string, info fs.FileInfo) error {
	if seg == nil {
		log, _ := rotation.LogOf(name)
		seg = j.tables.NewSegment(log, name)
	} else if state := w.states[seg]; !w.unread[seg] && state != nil && state.Name() == info.Name() && state.Size() == info.Size() {
		return nil
	}
	x := j.indexFor(seg, info.Name())
	if x != nil && j.swapped(seg, x) {
		w.was(seg, info)
		return nil
	}
	if x == nil && seg.Index() != nil {
		// Another form took the place of the one that its sidecar is of.
		w.remove(j, seg)
		seg = j.tables.NewSegment(seg.File, name)
	}
	appends := x == nil && info.Name() == name
	if w.disorders(j, seg, appends) {
		return errDisorder
	}
	var err error
	switch {
	case x != nil && j.adoptIndex(seg, info.Name(), x):
	case appends:
		err = j.afterDamage(seg, w.readPlain(j, seg, name, info), j.parseStored)
	default:
		j.readers.dropPlain(seg)
		err = j.parse(seg)
	}
	if errors.Is(err, fs.ErrNotExist) {
		// Rotated, compressed or deleted since the folder was listed: the
		// next pass finds it under its new name.
		w.moved = true
		if seg.Parsed() == 0 {
			w.remove(j, seg)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(j.dir, name), err)
	}
	w.was(seg, info)
	return nil
}

// was notes what a segment's file was when it was read.
func (w *follower) was(seg *tables.Segment, info fs.FileInfo) {
	w.states[seg] = info
	delete(w.unread, seg)
}

// readPlain takes in what a plain file has beyond what was read, if the name
// still stands for the file that was listed.
func (w *follower) readPlain(j *Journal, seg *tables.Segment, name string, listed fs.FileInfo) error {
	text, err := j.fs.OpenFile(filepath.Join(j.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer text.Close()
	info, err := text.Stat()
	if err != nil {
		return err
	}
	if !j.fs.SameFile(info, listed) {
		return fs.ErrNotExist
	}
	return j.parseText(seg, text, seg.Parsed())
}
