package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Open opens the folder for writing, making it when it is absent. It cuts torn
// lines, rebuilds rows and tables from the text and ends the runs of a process
// that died. It returns ErrLocked when another process has it open.
func Open(dir string, o Options) (*Journal, error) {
	j := newJournal(dir, o)
	dir = vfs.Real(j.fs, dir)
	j.dir = dir
	private := filepath.Join(dir, privateDir)
	for _, d := range []string{dir, private} {
		err := j.fs.MkdirAll(d, 0o700)
		if err == nil {
			err = vfs.SyncParent(j.fs, d)
		}
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", dir, err)
		}
	}
	lock, err := j.fs.Lock(filepath.Join(private, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	j.lock = lock
	j.stands(lockName)
	if err := j.recover(private); err != nil {
		j.abandon()
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	j.missing() // notes what stands there
	j.done.Add(4)
	go j.keepIndexing()
	go j.work()
	go j.keepSaved()
	go j.reportProblems()
	if j.ring != nil {
		go j.pump()
	}
	j.sayLeft()
	j.noteGaps()
	j.endDeadRuns()
	j.tables.Runs.Settle(true)
	return j, nil
}

// errCopy is what the host is told of two files with the same records.
var errCopy = errors.New("journal: files of different moments")

// recover brings folder and tables to where the last process left them.
func (j *Journal) recover(private string) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	left, found, err := readNumbers(j.fs, private)
	if err != nil {
		return err
	}
	j.rebooted = found && !left.Clean && (j.opts.Boot == "" || left.Boot != j.opts.Boot)
	if err := j.openRingFile(private, left.Clean); err != nil {
		return err
	}
	if j.ring != nil {
		j.ring.setAlive(time.Now().UnixNano()) // what was published holds while the ring is emptied
	}
	if err := j.openDropped(private); err != nil {
		return err
	}
	if j.rebooted { // the system shows what the disk has
		if err := j.putAsideAll(); err != nil {
			return err
		}
	} else if found && !left.Clean {
		if err := j.closeSick(); err != nil {
			return fmt.Errorf("compare the texts with the disk: %w", err)
		}
	}
	// A power cut may have taken what was saved of, and a number that was given again
	// may be of another record.
	if err := j.load(found && left.Next > 0 && !j.rebooted, left.Clean); err != nil {
		return err
	}
	if err := vfs.IgnoreNotExist(j.fs.Remove(filepath.Join(private, rowsName))); err != nil {
		return err
	}
	// The reservation comes first: nothing may be appended without.
	boot := j.opts.Boot
	if j.rebooted {
		boot = left.Boot
	}
	if j.numbers, err = openNumbers(j.fs, private, boot, left, found, j.tables.Newest()); err != nil {
		return err
	}
	if found && left.Next == 0 {
		j.problem(fmt.Errorf("%s: %w: the folder is recovered as after a power loss, and numbers go on at %d, behind all that may have been given",
			filepath.Join(private, numbersName), errNumbers, j.numbers.next))
	}
	if err := j.replay(); err != nil {
		return err
	}
	if err := j.numbers.pass(j.tables.Newest()); err != nil {
		return err
	}
	if j.saved != nil {
		// What was saved may say all there is: Close need not write it again then.
		if of, ok := j.tables.Extent(); ok {
			j.saving.of = of
		}
	}
	j.tables.Loaded()
	j.saved, j.indexes = nil, nil
	if !left.Clean {
		if err := j.syncLeft(); err != nil {
			return err
		}
	}
	if err := j.startRing(private); err != nil {
		return err
	}
	j.startDropped(private)
	if err := j.numbers.settle(j.opts.Boot); err != nil {
		return err
	}
	j.goLive()
	return nil
}

// goLive lets records be appended.
func (j *Journal) goLive() {
	j.folder.OnDelete(j.fileDeleted)
	j.folder.Keep(fileAudit)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ring != nil {
		j.head = j.ring.head().Load()
		tail, inText := j.head, j.numbers.next-1
		if j.left != nil {
			tail, inText = j.left.at, j.left.seq-1
		}
		j.tail.Store(tail)
		j.opened, j.warmed = j.head, j.head
		j.urgeAt = j.head + warmAfter // see warm
		j.ring.setWritten(inText)
		j.ring.setAlive(time.Now().UnixNano())
	}
	for _, f := range *j.fileTable.Load() {
		if d, ok := j.doubts[f.name]; ok {
			f.unsure, f.syncedTo, f.unsureTo = true, d.after, d.upto
		}
		f.writtenTo = max(f.writtenTo, j.tail.Load())
		if j.left != nil && j.left.files[f] {
			continue
		}
		f.size = f.text.Size()
		if j.ring != nil {
			f.seg.InText.Store(j.numbers.next - 1)
		}
	}
	j.left, j.doubts = nil, nil
	j.live = true
	close(j.ready)
}

func newJournal(dir string, o Options) *Journal {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = defaultSync
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 100 * time.Millisecond
	}
	if o.SaveAfter <= 0 {
		o.SaveAfter = saveAfter
	}
	if o.RingBytes == 0 {
		o.RingBytes = defaultRingBytes
	}
	o.RingBytes = (max(o.RingBytes, minRingBytes) + ringHeader - 1) / ringHeader * ringHeader
	if o.Boot == "" {
		o.Boot = bootID()
	}
	j := &Journal{
		dir: vfs.Abs(o.FS, dir), opts: o, fs: o.FS,
		aside:      map[string]int64{},
		doubts:     map[string]doubt{},
		private:    privateFiles{mapped: map[string]fs.FileInfo{}},
		unsaid:     map[string]Lost{},
		encoder:    line.NewEncoder(line.Options{}),
		tables:     tables.New(),
		problems:   make(chan error, 64),
		cache:      sidecar.NewCache(0),
		sealing:    make(chan struct{}, 1),
		indexing:   make(chan struct{}, 1),
		syncNow:    make(chan struct{}, 1),
		indexAsked: make(chan struct{}, 1), indexBehind: make(chan struct{}, 1),
		stop:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		urge:     make(chan struct{}, 1),
		finish:   make(chan struct{}),
		pumpDone: make(chan struct{}),
		ready:    make(chan struct{}),
	}
	j.fileTable.Store(&map[string]*File{})
	j.byCode.Store(&[]*File{})
	return j
}

// load opens the files that are there and rebuilds what is derived from them, beginning
// with what was saved, where that may be believed.
func (j *Journal) load(believed, clean bool) error {
	folder, err := rotation.OpenFolderFS(j.fs, j.dir)
	if err != nil {
		return err
	}
	j.folder = folder
	j.dropOrphans()
	infos, err := folder.Files()
	if err != nil {
		return err
	}
	// Usage first: lines then find the runs they belong to.
	slices.SortStableFunc(infos, func(a, b rotation.Info) int { return usageFirst(a.Log) - usageFirst(b.Log) })
	if err := j.loadSaved(infos, believed, clean); err != nil {
		return err
	}
	for _, info := range infos {
		if info.Log == fileAudit {
			continue
		}
		if info.Active {
			if _, err := j.open(info.Log); err != nil {
				return err
			}
			continue
		}
		seg := j.tables.NewSegment(info.Log, rotation.PlainName(info.Name))
		if err := j.take(seg, info.Name); err != nil {
			return err
		}
	}
	if err := j.loadAhead(); err != nil {
		return err
	}
	j.tellCopies()
	j.loadClosed(infos)
	return nil
}

// tellCopies tells of files that begin before the one before them in their log ends: a
// backup was put over a folder, or a folder copied while a file got another name.
func (j *Journal) tellCopies() {
	var before *tables.Segment
	for _, seg := range j.tables.Segments() {
		if seg.Last() == 0 {
			continue
		}
		if before != nil && before.File == seg.File && seg.First() <= before.Last() {
			j.problem(fmt.Errorf("%s: %w: %s begins with record %d, and %s before it ends with %d; what stands in both is told and counted twice until one of them is moved out of the folder",
				j.dir, errCopy, seg.Name(), seg.First(), before.Name(), before.Last()))
		}
		if before == nil || before.File != seg.File || before.Last() < seg.Last() {
			before = seg
		}
	}
}

// loadClosed opens the logs that have closed files but no active one, so that those are
// sealed and deleted by the rule though nobody logs. Where that fails, whoever logs next
// tries again.
func (j *Journal) loadClosed(infos []rotation.Info) {
	for _, info := range infos {
		if info.Log == fileAudit || (*j.fileTable.Load())[info.Log] != nil {
			continue
		}
		if _, err := j.open(info.Log); err != nil {
			j.problem(err)
		}
	}
}

// loadAhead opens the logs that have no active file but one that a rotation had
// made ahead and that has lines: a power cut undid the last step.
func (j *Journal) loadAhead() error {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		log, ahead := strings.CutSuffix(info.Name(), nextExt)
		if name, ok := logOf(log + logExt); !ahead || !ok || name != log || info.Size() == 0 {
			continue
		}
		if (*j.fileTable.Load())[log] == nil {
			if _, err := j.open(log); err != nil {
				return err
			}
		}
	}
	return nil
}

func usageFirst(log string) int {
	if log == tables.Usage {
		return 0
	}
	return 1
}

// abandon gives up an Open that went wrong.
func (j *Journal) abandon() {
	for _, f := range *j.fileTable.Load() {
		f.text.Close()
	}
	if j.mapping != nil {
		j.mapping.Unmap()
	}
	_ = j.unmapDropped()
	j.readers.closeAll()
	if j.folder != nil {
		j.folder.Close()
	}
	j.lock.Close()
}
