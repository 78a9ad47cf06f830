package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
)

// Options say how a text is sealed. The zero value leaves it plain and indexes
// no fields.
type Options struct {
	// Format is how the text is compressed, 0 for not at all: then only the
	// sidecar is made, of the text as it is.
	Format block.Format
	// KeepOrder keeps the lines in the order of arrival also if there are runs.
	KeepOrder bool
	// Fields are the paths under the details whose values are indexed, at most
	// 64; more are left out.
	Fields []string
	// Hurry has other goroutines wait for a processor as long as the scheduler
	// lets them. Without it they are let pass every few hundred rows.
	Hurry bool
}

// maxFields is how many fields a file indexes at most.
const maxFields = 64

// checkRows is how many rows are worked on between two breaths, some 200 µs.
const checkRows = 1 << 8

// breath lets goroutines run that wait for a processor, and returns the error of ctx
// once that has ended. Whoever logs or asks would wait for 10 ms otherwise, until the
// scheduler takes the processor away from those who seal.
func (o *Options) breath(ctx context.Context) error {
	if !o.Hurry {
		runtime.Gosched()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// builder makes the sidecar of one text.
type builder struct {
	o       Options
	text    []byte
	cut     *cutText
	columns columns
	people  *people
	parser  line.Parser
	same    []uint32 // owners of the numbers that the parser gives to identifiers, and 1
	forgot  int      // how often the parser had forgotten them

	next    batch      // rows that are not handed over yet
	batches chan batch // to who collects terms
	used    chan batch // what they were in, for the next ones
	life    []byte     // of the block that is being filled
	lifeOut []byte
	z       *zstd.Encoder
}

func newBuilder(text []byte, o Options) (*builder, error) {
	if len(text) > maxText {
		return nil, ErrTooLarge
	}
	if len(o.Fields) > maxFields {
		o.Fields = o.Fields[:maxFields]
	}
	// Terms share their beginnings already: the quickest level makes a sidecar 0.3 %
	// larger in a quarter of the time.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<17), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	return &builder{o: o, text: text, columns: newColumns(aboutRows(text)), people: newPeople(),
		parser: line.Parser{Many: true, Lend: true, Paths: o.Fields}, z: z}, nil
}

// aboutRows returns how many rows a text has room for, if the first lines are like the
// others: counting them all would read all of the text once more.
func aboutRows(text []byte) int {
	const some = 1 << 20
	n := bytes.Count(text[:min(len(text), some)], []byte("\n"))
	if len(text) > some {
		n = int(int64(n) * int64(len(text)) / some * 33 / 32)
	}
	return n
}

// termLimit is how many bytes of terms a column may have: what a dictionary
// adds to the disk stays small beside the text.
func termLimit(text int) int { return max(64<<10, text/8) }

// take takes in the next record in the order of arrival, and hands over batches.
func (b *builder) take(ctx context.Context, rec *line.Record, length int) error {
	b.row(rec, length)
	if len(b.columns.seqs)%checkRows != 0 {
		return nil
	}
	if err := b.o.breath(ctx); err != nil {
		return err
	}
	return b.hand(ctx)
}

// row takes in the next record in the order of arrival.
func (b *builder) row(rec *line.Record, length int) {
	row := uint32(len(b.columns.seqs))
	owner := b.owner(&rec.Identity)
	b.people.count(owner, rec, length)
	b.columns.add(rec.Seq, line.Nanoseconds(rec.Time), line.LevelIndex(rec.Level), uint8(rec.Kind), owner)
	b.next.text = append(b.next.text, rec.Message[:min(len(rec.Message), maxMessage+1)]...) // of more no terms are made
	b.next.ends = append(b.next.ends, uint32(len(b.next.text)))
	if topic := b.people.text(rec.Topic); topic != "" {
		b.next.topics = append(b.next.topics, value{row: row, text: topic})
	}
	b.values(rec.Details, row)
	if rec.Kind == line.KindRun || rec.Kind == line.KindStep {
		b.life = appendLifecycle(b.life, row, &rec.Lifecycle)
		if len(b.life) >= lifecycleBlock {
			b.endLifecycle()
		}
	}
}

// owner returns that of the record that was just parsed.
func (b *builder) owner(id *line.Identity) uint32 {
	n, forgot, ok := b.parser.Same()
	if !ok {
		return b.people.owner(id)
	}
	if forgot != b.forgot {
		b.same, b.forgot = b.same[:0], forgot
	}
	for len(b.same) <= n {
		b.same = append(b.same, 0)
	}
	if b.same[n] == 0 {
		b.same[n] = b.people.owner(id) + 1
	}
	return b.same[n] - 1
}

func (b *builder) endLifecycle() {
	if len(b.life) == 0 {
		return
	}
	data := b.z.EncodeAll(b.life, nil)
	b.lifeOut = binary.AppendUvarint(b.lifeOut, uint64(len(data)))
	b.lifeOut = append(b.lifeOut, data...)
	b.life = b.life[:0]
}

// grouped reports whether the lines go by run.
func (b *builder) grouped() bool {
	if b.o.KeepOrder || b.o.Format == 0 || b.cut.backward {
		return false
	}
	for i := range b.people.scopes {
		if b.people.scopes[i].ids[8] != "" {
			return len(b.people.scopes) > 1
		}
	}
	return false
}

// laid returns the order in which a grouped text lies: that of scopes, but for
// the last row, which is last in the text too. So the first and the last line of
// a file are those in every order, and tell its times.
func laid(order []uint32) []uint32 {
	if len(order) == 0 {
		return nil
	}
	last := uint32(len(order) - 1)
	list := make([]uint32, 0, len(order))
	for _, row := range order {
		if row != last {
			list = append(list, row)
		}
	}
	return append(list, last)
}

// data describes the file that a sidecar belongs to.
type data struct {
	format  block.Format
	size    int64
	crc     uint32
	grouped bool
}

// filters makes a column of filters, where there are too many terms for a dictionary:
// of what add takes from each row, which is read once more.
func (b *builder) filters(ctx context.Context, add func(f *filterSet, rec *line.Record)) ([]byte, error) {
	var f filterSet
	var rec line.Record
	p := line.Parser{Many: true, Lend: true}
	for row := range b.cut.units {
		if row%checkRows == 0 {
			if err := b.o.breath(ctx); err != nil {
				return nil, err
			}
		}
		u := b.cut.unit(row)
		if err := p.Parse(b.text[u.at:u.at+u.length], &rec); err != nil {
			return nil, err // it was one a moment ago
		}
		add(&f, &rec)
		if (row+1)%FrameRows == 0 || row+1 == len(b.cut.units) {
			f.endFrame()
		}
	}
	return f.encode(), nil
}

// sizes returns those of the units as they lie in the text.
func (b *builder) sizes() []uint32 {
	sizes := make([]uint32, len(b.cut.units))
	for i := range b.cut.units {
		sizes[i] = b.cut.units[i].size
	}
	return sizes
}

// encode puts the sidecar together, with the sizes of the units in the text as it is
// stored.
func (b *builder) encode(d data, order []uint32, sizes []uint32, terms []section, w *postingWriter) []byte {
	b.endLifecycle()
	classes := b.columns.classes()
	frames, values := b.columns.encode(classes)
	texts, scopes, owners, rows := b.people.encode(order)
	m := meta{data: d, text: int64(len(b.text)), head: b.cut.head, rows: len(b.columns.seqs), scopes: len(b.people.scopes),
		owners: len(b.people.owners), classes: classes, counts: b.columns.counts(), fields: b.o.Fields}
	m.levels = b.levels(w)
	sections := []section{
		{secMeta, m.encode()}, {secFrames, frames}, {secColumns, values}, {secPlaces, encodePlaces(sizes)},
		{secOrder, rows}, {secStrings, texts}, {secScopes, scopes}, {secOwners, owners},
		{secPostings, w.finish()}, {secLifecycle, b.lifeOut},
	}
	return encodeFile(append(sections, terms...))
}

// levels writes the rows of each level that is rare: below one row in eight a
// list is faster than the columns.
func (b *builder) levels(w *postingWriter) (refs [levelCount]Ref) {
	counts := b.columns.counts()
	var rows [levelCount][]uint32
	for l := range counts {
		n := 0
		for _, k := range counts[l] {
			n += int(k)
		}
		if n > 0 && 8*n < len(b.columns.seqs) {
			rows[l] = make([]uint32, 0, n)
		}
	}
	for row, class := range b.columns.class {
		if l := class / kindCount; rows[l] != nil {
			rows[l] = append(rows[l], uint32(row))
		}
	}
	for l := range rows {
		refs[l] = w.add(rows[l])
	}
	return refs
}

// summing passes on what is written and keeps its size and sum.
type summing struct {
	w    io.Writer
	size int64
	crc  uint32
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.size += int64(n)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	return n, err
}
