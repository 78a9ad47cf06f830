package tables

import "github.com/steplog/steplog/internal/line"

// Row is the fixed facts of one record, 32 bytes.
type Row struct {
	Seq    uint64
	Time   int64  // Unix nanoseconds
	Offset uint32 // of the line in its segment's text
	Len    uint32 // of the line, without its newline
	Owner  uint32 // index of its identity, see [runs.View.Owner]
	Level  int8   // a zapcore.Level
	Kind   line.Kind

	// Message is the code of the message, see [line.Messages], 0 where nobody told. It is
	// good as long as the process.
	Message uint16
}

// chunkRows is how many rows are allocated at a time: 32 KiB, so that no append
// copies more than a slice of pointers.
const chunkRows = 1024

type chunk [chunkRows]Row

// Together is how many rows lie together at most.
const Together = chunkRows

// pageRows is how many rows lie in a page of the system's.
const pageRows = 4096 / 32

// Rows is an append-only list of rows, seq ascending. A copy of the struct is
// an immutable view of what was there when it was taken. The zero value is empty.
type Rows struct {
	chunks []*chunk
	n      int
}

// chunkStock holds chunks for those who log, made by somebody else before: memory
// that was never written to takes the system longer than a record takes us. The
// zero value is empty. Tables.mu guards it.
type chunkStock struct {
	list  []*chunk
	taken int // since it was last filled, also those that were not there
}

// mostStocked bounds it: half a mebibyte.
const mostStocked = 16

// grow takes a chunk out of stock if the next row needs one.
func (r *Rows) grow(stock *chunkStock) {
	if r.n < len(r.chunks)*chunkRows {
		return
	}
	stock.taken++
	if n := len(stock.list); n > 0 {
		r.chunks = append(r.chunks, stock.list[n-1])
		stock.list = stock.list[:n-1]
	}
}

// Stock makes memory for rows, as much as was taken since it was last called, and as much
// as is kept at most during a burst, so that those who log need not wait for it.
func (t *Tables) Stock(burst bool) {
	t.mu.Lock()
	missing := min(t.chunks.taken, mostStocked) - len(t.chunks.list)
	if burst {
		missing = mostStocked - len(t.chunks.list)
	}
	t.chunks.taken = 0
	t.mu.Unlock()
	for range missing {
		fresh := new(chunk)
		for i := 0; i < chunkRows; i += pageRows {
			fresh[i].Seq = 0 // maps the page
		}
		t.mu.Lock()
		t.chunks.list = append(t.chunks.list, fresh)
		t.mu.Unlock()
	}
}

// Len returns how many rows there are.
func (r *Rows) Len() int { return r.n }

// First returns the first n rows.
func (r *Rows) First(n int) Rows { return Rows{r.chunks, n} }

// Append adds a row behind the others, with a larger seq.
func (r *Rows) Append(row Row) { r.add(&row) }

// add is Append, field by field: a copy of what was written in smaller parts has the
// processor wait until they are in the cache, behind all that was written before.
func (r *Rows) add(row *Row) {
	if r.n == len(r.chunks)*chunkRows {
		r.chunks = append(r.chunks, new(chunk))
	}
	to := &r.chunks[r.n/chunkRows][r.n%chunkRows]
	to.Seq, to.Time = row.Seq, row.Time
	to.Offset, to.Len, to.Owner = row.Offset, row.Len, row.Owner
	to.Level, to.Kind, to.Message = row.Level, row.Kind, row.Message
	r.n++
}

// At returns row i, which must not be changed once others may see it.
func (r *Rows) At(i int) *Row { return &r.chunks[i/chunkRows][i%chunkRows] }

// each calls yield for all rows, some at a time.
func (r *Rows) each(yield func([]Row) bool) {
	for left := r.n; left > 0; left -= chunkRows {
		if c := r.chunks[(r.n-left)/chunkRows]; !yield(c[:min(left, chunkRows)]) {
			return
		}
	}
}

// search returns the number of rows whose seq is at most seq.
func (r *Rows) search(seq uint64) int {
	lo, hi := 0, r.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if r.At(mid).Seq <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// rebase appends the rows of src from i on, as lines that follow each other
// from an offset on, and returns where they end.
func (r *Rows) rebase(src *Rows, i int, offset int64) int64 {
	for ; i < src.n; i++ {
		row := *src.At(i)
		row.Offset = uint32(offset)
		r.Append(row)
		offset += int64(row.Len) + 1
	}
	return offset
}
