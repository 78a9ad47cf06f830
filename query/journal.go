package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// Open returns an Engine over a folder of log files, read only: the folder is
// left as it is, and nothing is locked. Another process may write it
// meanwhile; its records show once they are in the text. Open reads the text of
// active files, and of a closed one that has no sidecar. It returns an error of
// the file system, fs.ErrNotExist where there is no folder; what a disk lost of
// closed files is no error, see "Damage" in the package comment. The caller must
// Close the Engine.
//
// Of active files it indexes the fields that the newest closed file of the log has an
// index of, and sku and order_id where there is none.
func Open(dir string) (*Engine, error) {
	j, err := journal.OpenReader(vfs.OS(), dir)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return New(overJournal(j, true)), nil
}

// OverJournal returns a Backend over a journal. It is for package logger, which
// opens the journal, and closes it: the Backend's Close does nothing.
func OverJournal(j *journal.Journal) Backend { return overJournal(j, false) }

func overJournal(j *journal.Journal, own bool) *journalBackend {
	return &journalBackend{j: j, own: own, trail: newTrailIndex(j.Place()), fetching: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// journalBackend answers from the rows that a journal holds in memory and the
// lines of its files. It is a [Histogrammer], a [Faceter], a [Tailer], a [Liner], an
// [Auditor] and an [Accessor].
type journalBackend struct {
	j     *journal.Journal
	own   bool // close j too
	trail *trailIndex
	// fetching has room for as many tails as fetch at a time.
	fetching chan struct{}
	// checkLimit is how many bytes of lines are read to count what no index
	// counts, 0 for maxChecked. Tests set it.
	checkLimit int64
	// scans are *scan that nobody uses, ended.
	scans sync.Pool
	// tellers are *runs.Teller that nobody uses.
	tellers sync.Pool
	kept    keptLogs
	stopped stoppedSteps
}

// Close closes the journal of a Backend that opened it itself.
func (b *journalBackend) Close() error {
	if b.own {
		b.trail.close()
		return b.j.Close()
	}
	return nil
}

// Audit returns audit records.
func (b *journalBackend) Audit(ctx context.Context, f AuditFilter, w Window) (Result[audit.Record], error) {
	if b.j.Closed() {
		return Result[audit.Record]{}, ErrClosed // the trail's files would answer for ever
	}
	return b.trail.page(ctx, &f, w)
}

// maxTries is how often a query is run when files vanish under it. Each time
// the journal has dropped the file that was missing, so only a deletion during
// that very run makes another one necessary.
const maxTries = 8

// pause waits before a query is run again: not before the first of these runs, then longer
// each time. A file is read again only when no records are being moved to the texts.
func pause(ctx context.Context, n int) error {
	if n < 2 {
		return ctx.Err()
	}
	select {
	case <-time.After(time.Millisecond << n):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// indexing says what becomes of rows without an index, where there are many, when somebody
// asks for records.
type indexing uint8

const (
	leaveRows   indexing = iota // each is looked at once, or none is
	indexBehind                 // rows tell what is asked: they get one for who asks next
	indexFirst                  // their lines would be read
)

// tries runs a query, and runs it again on a new snapshot when a file that it wanted to
// read was deleted.
func tries[T any](ctx context.Context, b *journalBackend, index indexing, ask func(*journal.Snapshot) (T, error)) (T, error) {
	var zero T
	for n := range maxTries {
		if err := pause(ctx, n); err != nil {
			return zero, err
		}
		if b.j.Closed() {
			return zero, ErrClosed // what is in memory would answer for a while
		}
		snap := b.j.Snapshot()
		switch {
		case index == leaveRows || !unindexed(snap):
		case b.j.Bursting():
			b.j.IndexSoon()
		case index == indexBehind:
			b.j.IndexBehind()
		default:
			if err := b.j.IndexRows(ctx); err != nil {
				b.j.IndexBehind() // for who asks again with as little patience
				return zero, err
			}
			snap = b.j.Snapshot()
		}
		var answer T
		err := b.j.Guarded(func() (err error) {
			answer, err = ask(snap)
			return err
		})
		runtime.KeepAlive(snap) // with the mapped memory that was read
		if !errors.Is(err, journal.ErrGone) {
			return answer, closedError(err)
		}
	}
	return zero, ErrChanging
}

// fewUnindexed is how many rows without an index are looked at one by one: some tenths
// of a millisecond if their lines are read.
const fewUnindexed = 1024

// unindexed reports whether a file has many rows without an index.
func unindexed(snap *journal.Snapshot) bool {
	for i := range snap.Segments {
		if s := &snap.Segments[i]; s.Index() == nil && s.Len() > fewUnindexed {
			return true
		}
	}
	return false
}

func closedError(err error) error {
	if errors.Is(err, journal.ErrClosed) {
		return ErrClosed
	}
	return err
}

// Find returns records.
func (b *journalBackend) Find(ctx context.Context, f Filter, w Window) (Result[Record], error) {
	return tries(ctx, b, f.indexing(), func(snap *journal.Snapshot) (Result[Record], error) {
		s, ok := b.scans.Get().(*scan)
		if !ok {
			s = new(scan)
		}
		s.begin(ctx, b.j, snap, f, w.AsOf)
		s.limit = b.checkLimit
		r, err := s.page(w)
		s.end()
		b.scans.Put(s) // one that panicked is not used again
		return r, err
	})
}

// Histogram counts records over time.
func (b *journalBackend) Histogram(ctx context.Context, f Filter, width time.Duration) ([]Bucket, error) {
	return tries(ctx, b, f.indexing(), func(snap *journal.Snapshot) ([]Bucket, error) {
		h := newHistogram(&f, width)
		s := newScan(ctx, b.j, snap, f, 0)
		if err := s.histogram(h); err != nil {
			return nil, err
		}
		return h.buckets()
	})
}

// Facets counts distinct values.
func (b *journalBackend) Facets(ctx context.Context, f Filter, field string, limit int) ([]FacetValue, error) {
	index := f.indexing()
	if !toldByRows(field) {
		index = indexFirst
	}
	return tries(ctx, b, index, func(snap *journal.Snapshot) ([]FacetValue, error) {
		c := facetCounter{counts: map[string]int64{}}
		s := newScan(ctx, b.j, snap, f, 0)
		if err := s.facets(field, &c); err != nil {
			return nil, err
		}
		return c.top(limit), nil
	})
}
