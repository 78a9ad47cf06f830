package tables

import sidecar "github.com/steplog/steplog/internal/segment"

// View is what was known of one file at one moment, or of a part of one that has been
// indexed: its rows in arrival order, seq ascending. It is immutable and safe for
// concurrent use.
type View struct {
	// Segment is the file, as it is now.
	Segment *Segment

	rows  Rows           // of the file; none of a sealed one
	from0 int            // the first of them that is in the view
	n     int            // rows in the view
	index *sidecar.Index // of a sealed file, or of these rows; nil for none
}

// File returns the name of the log without its ending: "user".
func (v *View) File() string { return v.Segment.File }

// Name returns the file's base name, without what compression adds:
// "user.log", "user-2026-11-21T02-03-04.000.log".
func (v *View) Name() string { return v.Segment.Name() }

// Len returns the number of rows.
func (v *View) Len() int { return v.n }

// Row returns row i in arrival order. Its place is not known where there is a sidecar.
func (v *View) Row(i int) Row {
	if v.index != nil {
		return sealedRow(v.index, i)
	}
	return *v.rows.At(v.from0 + i)
}

// Rows returns some rows from row i on, at least one, of a segment without an index.
// They must not be changed.
func (v *View) Rows(i int) []Row {
	at := v.from0 + i
	in := v.rows.chunks[at/chunkRows][at%chunkRows:]
	return in[:min(len(in), v.n-i)]
}

// Search returns how many rows have a seq of at most seq.
func (v *View) Search(seq uint64) int {
	if v.index != nil {
		return min(v.index.Search(seq), v.n)
	}
	return min(max(v.rows.search(seq)-v.from0, 0), v.n)
}

// First returns the seq of the first row, 0 when there is none.
func (v *View) First() uint64 {
	switch {
	case v.n == 0:
		return 0
	case v.index != nil:
		return v.index.First()
	}
	return v.Row(0).Seq
}

// Last returns the seq of the last row, 0 when there is none.
func (v *View) Last() uint64 {
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
func (v *View) Index() *sidecar.Index { return v.index }

// Sealed reports whether the view is of a sealed file: its lines lie where the sidecar
// says.
func (v *View) Sealed() bool { return v.rows.n == 0 && v.index != nil }

// SealedView returns the view of all of a file by its sidecar.
func SealedView(seg *Segment, x *sidecar.Index) View {
	return View{index: x, n: x.Len(), Segment: seg}
}

// TextRow returns row i with the place of its line, where the view is of no sealed
// file. It must not be changed.
func (v *View) TextRow(i int) *Row { return v.rows.At(v.from0 + i) }

// TextEnd returns where the last line of the file ends that the view knows of and that
// is in the text.
func (v *View) TextEnd() int64 {
	n := v.rows.n
	if seq := v.Segment.InText.Load(); seq != AllInText {
		n = v.rows.search(seq)
	}
	if n == 0 {
		return 0
	}
	last := v.rows.At(n - 1)
	return int64(last.Offset) + int64(last.Len) + 1
}
