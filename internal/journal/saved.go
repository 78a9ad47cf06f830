package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// The tables are saved with the rows of files that are not sealed: when the folder is
// closed, unless it is not worth the time, and while it is open each time that enough was
// logged. They hold for all records up to one; what came after it is read from the text,
// so that neither a clean end nor a kill has the next process read everything. FORMAT.md
// says when they are believed.

const (
	tablesName = "tables"
	// rowsName is that of a file which version 1 of the tables had beside them.
	rowsName = "rows"
	// saveAfter is how much text is logged before the tables are saved again, and
	// saveTimes how many times what they took the last time: a quarter is written on
	// top of the text at most. What was not saved is read again after a kill, at less
	// than 6 ms for each MiB.
	saveAfter = 64 << 20
	saveTimes = 4
	// closeTimes is how many times what was logged, indexed or sealed since, large tables
	// have to take for Close to leave them as they were saved: to read that again takes
	// less time.
	closeTimes = 16
	// saveLive bounds how many runs and steps that go on are written down in one
	// moment, during which those who log wait: a few milliseconds.
	saveLive = 1 << 13
)

// saving is what is known of the file of tables. The zero value is of none.
type saving struct {
	mu    sync.Mutex // held while they are saved
	size  int64
	grown int64 // tables.grown when they were cut
	of    tables.Extent
	// derived is how many bytes of text were indexed or sealed since: who opens the
	// folder next would index them again, or read rows that nobody needs any more.
	derived atomic.Int64
}

var errSavingStopped = errors.New("journal: saving stopped")

// keepSaved saves the tables from time to time.
func (j *Journal) keepSaved() {
	defer j.done.Done()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !j.grownEnough() || j.taken.Load() {
				continue
			}
			if err := j.saveTables(saveLive, j.Closed); err != nil && !errors.Is(err, errSavingStopped) {
				j.saving.mu.Lock()
				j.saving.grown = j.tables.Grown() // not again for the same
				j.saving.mu.Unlock()
				j.problem(fmt.Errorf("save the tables: %w", err))
			}
		case <-j.stop:
			return
		}
	}
}

func (j *Journal) grownEnough() bool {
	j.saving.mu.Lock()
	defer j.saving.mu.Unlock()
	return j.tables.Grown()-j.saving.grown >= max(j.opts.SaveAfter, saveTimes*j.saving.size)
}

// savedEnough reports whether Close need not save the tables.
func (j *Journal) savedEnough() bool {
	j.saving.mu.Lock()
	defer j.saving.mu.Unlock()
	more := j.tables.Grown() - j.saving.grown + j.saving.derived.Load()
	return j.saving.size >= j.opts.SaveAfter && closeTimes*more < j.saving.size
}

// saveTables writes the tables as they are now, unless more than so many runs and
// steps go on, or stop returns true meanwhile. Nothing is lost when it fails: what was
// saved before still holds.
func (j *Journal) saveTables(live int, stop func() bool) error {
	s := &j.saving
	s.mu.Lock()
	defer s.mu.Unlock()
	before, derived := j.ringState.Load(), s.derived.Load()
	c, ok := j.tables.Cut(live)
	if !ok {
		return nil
	}
	defer c.Done()
	if c.Extent() == s.of && derived == 0 {
		return nil
	}
	path := filepath.Join(j.dir, privateDir, tablesName)
	var size int64
	err := j.writeSynced(path+tempExt, func(w io.Writer) (err error) {
		size, err = c.Write(stopWriter{w, stop}, j.stored)
		return err
	})
	if err == nil {
		err = j.inText(before)
	}
	if err == nil {
		err = j.fs.Rename(path+tempExt, path)
	}
	if err != nil {
		return errors.Join(err, vfs.IgnoreNotExist(j.fs.Remove(path+tempExt)))
	}
	s.size, s.grown, s.of = size, c.Grown, c.Extent()
	s.derived.Add(-derived)
	return nil
}

// inText returns when all that was accepted is in the text: what is saved must not
// know of more than that. A ring that was in use before and cannot be used since, with
// which records may have been lost, is an error.
func (j *Journal) inText(before ringState) error {
	if err := j.drain(); err != nil {
		return err
	}
	if before == ringInUse && j.ringState.Load() != ringInUse {
		return errRingDamaged
	}
	return nil
}

// stopWriter writes until it is stopped.
type stopWriter struct {
	w    io.Writer
	stop func() bool
}

func (s stopWriter) Write(b []byte) (int, error) {
	if s.stop() {
		return 0, errSavingStopped
	}
	return s.w.Write(b)
}

// stored returns the name and size of a closed file as it is stored now, "" for none.
func (j *Journal) stored(name string, x *sidecar.Index) (data string, size int64) {
	if x != nil {
		return name + extOf[x.Format()], x.DataSize()
	}
	for _, ext := range extOf {
		if info, err := j.fs.Lstat(filepath.Join(j.dir, name+ext)); err == nil {
			return name + ext, info.Size()
		}
	}
	return "", 0
}

// readSaved reads what was saved; nil where there is nothing, or something of another
// version.
func (j *Journal) readSaved(private string) (*tables.Saved, int64, error) {
	f, err := j.fs.OpenFile(filepath.Join(private, tablesName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	s, err := tables.Read(f, info.Size())
	return s, info.Size(), err
}

// openedIndex is what came of opening a sidecar.
type openedIndex struct {
	index *sidecar.Index
	err   error
}

// openIndexes opens the sidecars of closed files, some at a time.
func (j *Journal) openIndexes(infos []rotation.Info) map[string]openedIndex {
	var names []string
	for i := range infos {
		if !infos[i].Active && infos[i].Log != fileAudit {
			names = append(names, infos[i].Name)
		}
	}
	found := make([]openedIndex, len(names))
	var wait sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(names))
	for from := range workers {
		wait.Go(func() {
			for i := from; i < len(names); i += workers {
				found[i].index, found[i].err = j.openSealed(names[i])
			}
		})
	}
	wait.Wait()
	opened := make(map[string]openedIndex, len(names))
	for i, name := range names {
		opened[name] = found[i]
	}
	return opened
}

// loadSaved takes in what was saved, if it is of the files that are there, and opens
// the sidecars. Tables that cannot be used are removed: they are derived again. clean
// says that nobody wrote to the folder since.
func (j *Journal) loadSaved(infos []rotation.Info, believed, clean bool) error {
	private := filepath.Join(j.dir, privateDir)
	type result struct {
		saved *tables.Saved
		size  int64
		err   error
	}
	read := make(chan result, 1)
	go func() {
		var r result
		if believed {
			r.saved, r.size, r.err = j.readSaved(private)
		}
		read <- r
	}()
	j.indexes = j.openIndexes(infos)
	r := <-read
	if r.err != nil {
		j.problem(fmt.Errorf("%s, which is derived again from the text: %w", filepath.Join(private, tablesName), r.err))
	} else if s := r.saved; s != nil && s.Matches(j.filesFound(infos), j.seqAt, clean) {
		j.tables, j.saved = s.Take(), s
		j.saving.size = r.size
		return nil
	}
	return vfs.IgnoreNotExist(j.fs.Remove(filepath.Join(private, tablesName)))
}

// filesFound returns what is there of the files that records are in.
func (j *Journal) filesFound(infos []rotation.Info) (list []tables.Found) {
	for i := range infos {
		if info := &infos[i]; info.Log != fileAudit {
			list = append(list, tables.Found{Log: info.Log, Name: rotation.PlainName(info.Name), Data: info.Name, Size: info.Bytes,
				Compressed: info.Compressed, Index: j.indexes[info.Name].index})
		}
	}
	return list
}

// takeSaved gives a segment the rows that were saved of its file. What came after them
// is read from the text.
func (j *Journal) takeSaved(seg *tables.Segment) {
	if j.saved != nil {
		j.saved.Rows(seg, j.cache)
	}
}

// seqAt returns the seq of the line at an offset of a plain file, 0 where there is
// none.
func (j *Journal) seqAt(name string, offset int64) uint64 {
	f, err := j.fs.OpenFile(filepath.Join(j.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return 0
	}
	defer f.Close() // only read
	var head [40]byte
	n, _ := f.ReadAt(head[:], offset) // a short line is enough
	seq, ok := line.SeqOf(head[:n])
	if !ok {
		return 0
	}
	return seq
}
