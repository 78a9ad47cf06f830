package journal

import sidecar "github.com/steplog/steplog/internal/segment"

// view is what was known of one file at one moment, or of a part of one that has been
// indexed: its rows in arrival order, seq ascending. It is immutable and safe for
// concurrent use.
type view struct {
	rows  rows           // of the file; none of a sealed one
	from0 int            // the first of them that is in the view
	n     int            // rows in the view
	index *sidecar.Index // of a sealed file, or of these rows; nil for none
	seg   *segment
}

// File returns the name of the log without its ending: "user".
func (v *view) File() string { return v.seg.file }

// Name returns the file's base name, without what compression adds:
// "user.log", "user-2026-11-21T02-03-04.000.log".
func (v *view) Name() string { return v.seg.baseName() }

// Len returns the number of rows.
func (v *view) Len() int { return v.n }

// Row returns row i in arrival order.
func (v *view) Row(i int) Row {
	if v.index != nil {
		return sealedRow(v.index, i)
	}
	return *v.rows.at(v.from0 + i)
}

// Rows returns some rows from row i on, at least one, of a segment without an index.
// They must not be changed.
func (v *view) Rows(i int) []Row {
	at := v.from0 + i
	in := v.rows.chunks[at/chunkRows][at%chunkRows:]
	return in[:min(len(in), v.n-i)]
}

// Search returns how many rows have a seq of at most seq.
func (v *view) Search(seq uint64) int {
	if v.index != nil {
		return min(v.index.Search(seq), v.n)
	}
	return min(max(v.rows.search(seq)-v.from0, 0), v.n)
}

// First returns the seq of the first row, 0 when there is none.
func (v *view) First() uint64 {
	switch {
	case v.n == 0:
		return 0
	case v.index != nil:
		return v.index.First()
	}
	return v.Row(0).Seq
}

// Last returns the seq of the last row, 0 when there is none.
func (v *view) Last() uint64 {
	switch {
	case v.n == 0:
		return 0
	case v.index != nil && v.n == v.index.Len():
		return v.index.Last()
	}
	return v.Row(v.n - 1).Seq
}

// Index returns the sidecar of a sealed file or of a part of another one, nil
// where there is none. Its rows are those of the view, but for those behind Len.
func (v *view) Index() *sidecar.Index { return v.index }

// sealed reports whether the view is of a sealed file: its lines lie where the sidecar
// says.
func (v *view) sealed() bool { return v.rows.n == 0 && v.index != nil }

// sealedView returns the view of all of a file by its sidecar.
func sealedView(seg *segment, x *sidecar.Index) view {
	return view{index: x, n: x.Len(), seg: seg}
}

// textRow returns row i with the place of its line, where the view is of no sealed
// file. It must not be changed.
func (v *view) textRow(i int) *Row { return v.rows.at(v.from0 + i) }

// textEnd returns where the last line of the file ends that the view knows of and that
// is in the text.
func (v *view) textEnd() int64 {
	n := v.rows.n
	if seq := v.seg.inText.Load(); seq != allInText {
		n = v.rows.search(seq)
	}
	if n == 0 {
		return 0
	}
	last := v.rows.at(n - 1)
	return int64(last.Offset) + int64(last.Len) + 1
}
