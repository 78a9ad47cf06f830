package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/rotation"
)

// maxReaders bounds the descriptors that readers of closed files hold.
const maxReaders = 32

// readers keeps files open for random access, the active ones always, of the
// others those used last. The zero value is ready.
type readers struct {
	mu      sync.Mutex
	bySeg   map[*tables.Segment]*reader
	order   []*tables.Segment // closed files, least recently used first
	suspect map[*tables.Segment]bool
	closed  bool
}

// reader is one open file. It is closed when it left the table and its last
// user is done.
type reader struct {
	text  *rotation.Text
	plain bool
	index *sidecar.Index // that the text was opened for, nil for none
	held  *sidecar.Holder
	users int  // guarded by readers.mu
	gone  bool // guarded by readers.mu
}

// open opens the active file of a segment, so that its text can be read
// whatever name it gets later.
func (r *readers) open(j *Journal, seg *tables.Segment) error {
	rd, err := r.get(j, seg)
	if err == nil {
		r.release(rd)
	}
	return err
}

// readAt fills p from a segment's text.
func (j *Journal) readAt(seg *tables.Segment, p []byte, off int64) error {
	rd, err := j.readerOf(seg)
	if err != nil {
		return err
	}
	defer j.readers.release(rd)
	if rd.index != nil && rd.index.Format() != 0 {
		return fmt.Errorf("%w: %s was sealed", ErrGone, seg.Name())
	}
	n, err := rd.text.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if j.lost(seg, err) {
		return fmt.Errorf("%w: %s: %w", ErrGone, seg.Name(), err)
	}
	if err == nil || errors.Is(err, io.EOF) {
		j.suspect(seg)
		return fmt.Errorf("%w: %s is shorter than it was", ErrGone, seg.Name())
	}
	return fmt.Errorf("read %s: %w", seg.Name(), err)
}

// readerOf returns the reader of a segment, to be released.
func (j *Journal) readerOf(seg *tables.Segment) (*reader, error) {
	rd, err := j.readers.get(j, seg)
	if j.lost(seg, err) {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	stale := errors.Is(err, sidecar.ErrStale)
	if !stale && !errors.Is(err, fs.ErrNotExist) {
		return rd, err
	}
	if stale {
		j.suspect(seg)
	}
	if j.lock != nil {
		j.dropVanished() // others may have met with the same
	}
	return nil, fmt.Errorf("%w: %w", ErrGone, err)
}

// get returns the reader of a segment, which is opened if there is none, to be released.
func (r *readers) get(j *Journal, seg *tables.Segment) (*reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	rd := r.bySeg[seg]
	if rd == nil {
		var err error
		if rd, err = j.openReader(seg); err != nil {
			return nil, err
		}
		if r.bySeg == nil {
			r.bySeg = map[*tables.Segment]*reader{}
		}
		r.bySeg[seg] = rd
	}
	rd.users++
	if !seg.Active() {
		r.used(seg)
	}
	return rd, nil
}

// rotated notes that a segment's file is not active any more.
func (r *readers) rotated(seg *tables.Segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bySeg[seg] != nil {
		r.used(seg)
	}
}

// used moves a closed file to the end of the order, and closes the one before all others
// if there are too many. The caller holds mu.
func (r *readers) used(seg *tables.Segment) {
	r.disorder(seg)
	if r.order = append(r.order, seg); len(r.order) > maxReaders {
		r.forget(r.order[0])
	}
}

// disorder takes a segment out of the order. The caller holds mu.
func (r *readers) disorder(seg *tables.Segment) {
	if i := slices.Index(r.order, seg); i >= 0 {
		r.order = slices.Delete(r.order, i, i+1)
	}
}

// forget takes a reader out of the table. The caller holds mu.
func (r *readers) forget(seg *tables.Segment) {
	rd := r.bySeg[seg]
	if rd == nil {
		return
	}
	delete(r.bySeg, seg)
	r.disorder(seg)
	rd.gone = true
	rd.held.Release()
	if rd.users == 0 {
		rd.text.Close()
	}
}

// release ends a use that get began.
func (r *readers) release(rd *reader) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rd.users--
	if rd.gone && rd.users == 0 {
		rd.text.Close()
	}
}

// drop closes the reader of a segment, as soon as nobody reads.
func (r *readers) drop(seg *tables.Segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(seg)
	delete(r.suspect, seg)
}

// dropPlain closes the reader of a segment that reads the plain file, which
// compression has replaced; an open one would keep its blocks on the disk.
func (r *readers) dropPlain(seg *tables.Segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rd := r.bySeg[seg]; rd != nil && rd.plain {
		r.forget(seg)
	}
}

func (r *readers) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for seg := range r.bySeg {
		r.forget(seg)
	}
}

// suspect notes that a segment's text is not what its rows say.
func (j *Journal) suspect(seg *tables.Segment) {
	j.readers.drop(seg)
	j.readers.mu.Lock()
	defer j.readers.mu.Unlock()
	if j.readers.suspect == nil {
		j.readers.suspect = map[*tables.Segment]bool{}
	}
	j.readers.suspect[seg] = true
}

// takeSuspects returns the segments to read again.
func (r *readers) takeSuspects() []*tables.Segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.suspect) == 0 {
		return nil
	}
	var list []*tables.Segment
	for seg := range r.suspect {
		list = append(list, seg)
	}
	r.suspect = nil
	return list
}
