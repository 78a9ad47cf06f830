package journal

import (
	"context"
	"io"

	sidecar "github.com/steplog/steplog/internal/segment"
)

// Rows of a file that is not sealed are indexed in memory, part by part, when
// somebody asks: a folder that nobody queries pays nothing for it.

// rowsIndex is the sidecar of some rows of a file.
type rowsIndex struct {
	from, to int
	index    *sidecar.Index
}

const (
	// partMost is how many rows a part has at most, and what is read at a time.
	partMost = 1 << 16
	// partLeast is how many rows are worth an index: fewer are read faster.
	partLeast = 64
)

// indexed returns how many rows have an index. The caller holds tables.mu.
func (s *segment) indexed() int {
	if n := len(s.parts); n > 0 {
		return s.parts[n-1].to
	}
	return 0
}

// IndexRows indexes what is in the text and has no index yet, so that the next
// snapshot can be asked for words and fields. What it cannot read stays as it is.
// It returns ctx's error soon after that ends.
func (j *Journal) IndexRows(ctx context.Context) error {
	j.indexing.Lock()
	defer j.indexing.Unlock()
	for _, seg := range j.tables.all() {
		if err := j.indexRows(ctx, seg); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (j *Journal) indexRows(ctx context.Context, seg *segment) error {
	view, parts := j.tables.unindexed(seg)
	from := 0
	if n := len(parts); n > 0 {
		from = parts[n-1].to
	}
	if view.n-from < partLeast || seg.unindexable.Load() {
		return nil
	}
	// Small parts grow together, so that there are few.
	for n := len(parts); n > 0 && parts[n-1].to-parts[n-1].from < min(2*(view.n-from), partMost); n = len(parts) {
		from = parts[n-1].from
		parts = parts[:n-1]
	}
	kept := len(parts)
	for from < view.n {
		to := min(from+partMost, view.n)
		x, err := j.indexPart(ctx, seg, &view, from, to)
		if err != nil {
			return err
		}
		if x == nil {
			break
		}
		parts = append(parts[:len(parts):len(parts)], rowsIndex{from, to, x})
		from = to
	}
	if len(parts) > kept {
		j.tables.setParts(seg, &view, parts)
	}
	return nil
}

// indexPart indexes some rows; nil where their text is not what they say.
func (j *Journal) indexPart(ctx context.Context, seg *segment, view *rows, from, to int) (*sidecar.Index, error) {
	first, last := view.at(from), view.at(to-1)
	end := int64(last.Offset) + int64(last.Len) + 1
	if end <= int64(first.Offset) || end-int64(first.Offset) > 1<<30 {
		seg.unindexable.Store(true)
		return nil, nil
	}
	text := make([]byte, end-int64(first.Offset))
	if j.readAt(seg, text, int64(first.Offset)) != nil {
		return nil, nil // whoever reads the rows hears of it
	}
	b, err := sidecar.Seal(ctx, text, io.Discard, sidecar.Options{KeepOrder: true, Fields: j.opts.IndexFields})
	if err != nil {
		return nil, ctx.Err()
	}
	x, err := sidecar.Read(b, j.cache)
	if err != nil || x.Len() != to-from || x.First() != first.Seq || x.Last() != last.Seq {
		seg.unindexable.Store(true)
		return nil, nil
	}
	return x, x.Check()
}

// unindexed returns the rows of a file that are in the text, and the parts of
// them that have an index; none of a sealed one.
func (t *tables) unindexed(seg *segment) (view rows, parts []rowsIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seg.index != nil || seg.removed {
		return rows{}, nil
	}
	view = seg.rows
	if seq := seg.inText.Load(); seq != allInText {
		view.n = view.search(seq)
	}
	return view, seg.parts
}

// setParts gives rows their indexes, unless they were replaced meanwhile.
func (t *tables) setParts(seg *segment, view *rows, parts []rowsIndex) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := parts[len(parts)-1].to
	if seg.index == nil && !seg.removed && seg.rows.n >= n && len(view.chunks) > 0 && seg.rows.chunks[0] == view.chunks[0] {
		seg.lookUpIn(nil, parts)
	}
}
