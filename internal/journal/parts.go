package journal

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/steplog/steplog/internal/line"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
)

// Rows of a file that is not sealed are indexed in memory, part by part, when
// somebody asks: a folder that nobody queries pays nothing for it. While records come
// in faster than they could be indexed, those who ask do not wait for that, but look
// at rows one by one, and a part is indexed in the background now and then.

const (
	// partMost is how many rows a part has at most, and what is read at a time.
	partMost = 1 << 16
	// partLeast is how many rows are worth an index: fewer are read faster.
	partLeast = 64
	// saveLeast is how many rows of runs and steps Close indexes: fewer are indexed
	// by who asks. saveFor bounds how long it works on them.
	saveLeast = 1000
	saveFor   = 2 * time.Second
	// A burst is burstBytes or more in one go of the writer, which are twenty
	// thousand records a second, and lasts until burstOver after the last such go.
	burstBytes = 64 << 10
	burstOver  = 30 * time.Millisecond
	// One that lasts less than burstMost is left alone: to index its records would
	// take several times as long as they took those who log, on the same
	// processors. After that burstPart rows at a time are indexed, and as long as
	// it took goes by before the next.
	burstMost = 250 * time.Millisecond
	burstPart = 1 << 14
	// As long after the last question during a burst, messages get codes, so that lines
	// without an index need not be read for those of the next.
	messagesFor = 10 * time.Second
)

// Bursting reports whether so many records come in that to wait for their index
// would take long: IndexSoon is for then, and [Journal.IndexRows] for else.
func (j *Journal) Bursting() bool {
	if time.Now().UnixNano()-j.burst.Load() < int64(burstOver) {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ringed() && j.head-j.tail.Load() >= burstBytes
}

// IndexSoon asks for an index of what has none, without waiting for it.
func (j *Journal) IndexSoon() {
	select {
	case j.indexAsked <- struct{}{}:
	default:
	}
}

// IndexBehind asks for an index of what has none when there is no burst, without waiting
// for it: for who is told what he asks by rows, or had no patience.
func (j *Journal) IndexBehind() {
	select {
	case j.indexBehind <- struct{}{}:
	default:
	}
}

// keepIndexing indexes rows when it is asked to, during bursts a few at a time, until the
// journal closes.
func (j *Journal) keepIndexing() {
	defer j.done.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	j.done.Go(func() {
		<-j.stop
		cancel()
	})
	var quiet <-chan time.Time
	for {
		select {
		case <-j.indexBehind:
			_ = j.IndexRows(ctx) // who reads lines hears of an error
			continue
		case <-j.indexAsked:
			j.askMessages(true)
		case <-quiet:
			quiet = nil
			j.askMessages(false)
			continue
		case <-j.stop:
			return
		}
		for waited := time.Duration(0); waited < burstMost && j.Bursting(); waited += burstOver {
			pause(ctx, burstOver)
		}
		for more := true; more && j.Bursting() && ctx.Err() == nil; {
			began := time.Now()
			more, _ = j.indexSome(ctx) // an error is that ctx ended
			pause(ctx, time.Since(began))
		}
		quiet = time.After(messagesFor)
	}
}

func (j *Journal) askMessages(on bool) {
	if m := j.opts.Messages; m != nil {
		m.Ask(on)
	}
}

// Message returns the message of a row whose line need not be read for it.
func (j *Journal) Message(row *tables.Row) (text string, told bool) {
	if row.Message == 0 || j.opts.Messages == nil {
		return "", false
	}
	return j.opts.Messages.Text(row.Message), true
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// indexSome indexes a small part of each active file that has enough rows without
// an index, and returns whether there was one. Closed files are about to be sealed.
func (j *Journal) indexSome(ctx context.Context) (some bool, err error) {
	if err := j.lockIndexing(ctx); err != nil {
		return false, err
	}
	defer j.unlockIndexing()
	for _, seg := range j.tables.Segments() {
		view, parts := seg.Unindexed()
		from := tables.Indexed(parts)
		if view.Len()-from < burstPart || seg.Unindexable.Load() || !seg.Active() {
			continue
		}
		view = view.First(from + burstPart)
		if err := j.indexFrom(ctx, seg, &view, parts); err != nil {
			return false, err
		}
		some = true
	}
	return some, nil
}

// IndexRows indexes what is in the text and has no index yet, so that the next
// snapshot can be asked for words and fields. What it cannot read stays as it is, and
// so does most when a burst begins meanwhile.
// It returns ctx's error soon after that ends, also while it waits for others who index.
func (j *Journal) IndexRows(ctx context.Context) error {
	if err := j.lockIndexing(ctx); err != nil {
		return err
	}
	defer j.unlockIndexing()
	for i, seg := range j.tables.Segments() {
		if i > 0 && j.Bursting() {
			break
		}
		if err := j.indexRows(ctx, seg); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lockIndexing waits until nobody else indexes rows, or for ctx.
func (j *Journal) lockIndexing(ctx context.Context) error {
	select {
	case j.indexing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *Journal) unlockIndexing() { <-j.indexing }

func (j *Journal) indexRows(ctx context.Context, seg *tables.Segment) error {
	view, parts := seg.Unindexed()
	from := tables.Indexed(parts)
	if view.Len()-from < partLeast || seg.Unindexable.Load() {
		return nil
	}
	// Small parts grow together, so that there are few.
	for n := len(parts); n > 0 && parts[n-1].To-parts[n-1].From < min(2*(view.Len()-from), partMost); n = len(parts) {
		from = parts[n-1].From
		parts = parts[:n-1]
	}
	return j.indexFrom(ctx, seg, &view, parts)
}

// indexFrom indexes the rows behind those of parts.
func (j *Journal) indexFrom(ctx context.Context, seg *tables.Segment, view *tables.Rows, parts []tables.Part) error {
	kept := len(parts)
	for from := tables.Indexed(parts); from < view.Len(); {
		to := min(from+partMost, view.Len())
		x, err := j.indexPart(ctx, seg, view, from, to)
		if err != nil {
			return err
		}
		if x == nil {
			break
		}
		parts = append(parts[:len(parts):len(parts)], tables.Part{From: from, To: to, Index: x})
		if from = to; j.Bursting() {
			break
		}
	}
	if len(parts) > kept {
		seg.SetParts(view, parts)
		if seg.Active() {
			from, to := parts[kept].From, tables.Indexed(parts)
			j.saving.derived.Add(int64(view.At(to-1).Offset - view.At(from).Offset))
		}
	}
	return nil
}

// indexPart indexes some rows; nil where their text is not what they say.
func (j *Journal) indexPart(ctx context.Context, seg *tables.Segment, view *tables.Rows, from, to int) (*sidecar.Index, error) {
	first, last := view.At(from), view.At(to-1)
	end := int64(last.Offset) + int64(last.Len) + 1
	if end <= int64(first.Offset) || end-int64(first.Offset) > 1<<30 {
		seg.Unindexable.Store(true)
		return nil, nil
	}
	text := make([]byte, end-int64(first.Offset))
	if j.readAt(seg, text, int64(first.Offset)) != nil {
		return nil, nil // whoever reads the rows hears of it
	}
	b, err := sidecar.Seal(ctx, text, io.Discard, sidecar.Options{KeepOrder: true, Fields: j.indexFields(seg), Hurry: !j.Bursting()})
	if err != nil {
		return nil, ctx.Err()
	}
	x, err := sidecar.Read(b, j.cache)
	if err != nil || x.Len() != to-from || x.First() != first.Seq || x.Last() != last.Seq {
		seg.Unindexable.Store(true)
		return nil, nil
	}
	return x, x.Check()
}

// indexFields returns the paths that a part of a file indexes: the writer's own, which
// only its sealed files tell to others.
func (j *Journal) indexFields(seg *tables.Segment) []string {
	if j.lock != nil {
		return j.opts.IndexFields
	}
	for _, s := range slices.Backward(j.tables.Segments()) {
		if s.File != seg.File {
			continue
		}
		if x := s.Index(); x != nil {
			return x.Fields()
		}
	}
	return DefaultIndexFields()
}

// indexLifecycle indexes the rows of the logs of runs and steps before the folder is
// closed: the next process asks for them first.
func (j *Journal) indexLifecycle() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveFor)
	defer cancel()
	if err := j.lockIndexing(ctx); err != nil {
		return nil // as where its time is over
	}
	defer j.unlockIndexing()
	for _, f := range *j.fileTable.Load() {
		view, parts := f.writing.Unindexed()
		if view.Len() < saveLeast || withoutLifecycle(&view, tables.Indexed(parts)) {
			continue
		}
		if err := j.indexRows(ctx, f.writing); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// withoutLifecycle reports whether no row from one on is a record of a run or step.
func withoutLifecycle(r *tables.Rows, from int) bool {
	for i := from; i < r.Len(); i++ {
		if kind := r.At(i).Kind; kind == line.KindRun || kind == line.KindStep {
			return false
		}
	}
	return true
}
