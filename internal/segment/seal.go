package segment

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/line"
)

// Seal writes the sealed form of text, a whole file in the order of arrival or as it was
// [Grouped] before, to out, and returns its sidecar. With a zero format nothing is written,
// and the sidecar belongs to the text itself.
//
// It uses at most two processors, and memory for the text's records beside the
// text. It returns ctx's error soon after that ends, [ErrTooLarge], and with a zero
// format [ErrOrder].
func Seal(ctx context.Context, text []byte, out io.Writer, o Options) ([]byte, error) {
	b, err := newBuilder(text, o)
	if err != nil {
		return nil, err
	}
	var order, sizes []uint32
	d := data{format: o.Format}
	terms, w, err := b.collect(ctx, func(ctx context.Context) (err error) {
		b.cut, err = cutArrival(text, &b.parser, func(rec *line.Record, u unit) error { return b.take(ctx, rec, int(u.length)) })
		if err == nil && b.cut.backward && Grouped(text) {
			return errGrouped
		}
		return err
	}, func(ctx context.Context) error {
		order = b.people.order(b.columns.owners)
		places := laid(order)
		if d.grouped = b.grouped() && !sameOrder(places); !d.grouped {
			places = nil
		}
		sizes, err = b.write(ctx, out, &d, places)
		return err
	})
	if errors.Is(err, errGrouped) {
		d.grouped = true
		return index(ctx, text, out, d, o)
	}
	if err != nil {
		return nil, err
	}
	return b.encode(d, order, sizes, terms, w), nil
}

var errGrouped = errors.New("segment: the text is grouped")

// write writes the text in the order of rows, or as it lies if that is nil, and returns the
// sizes of the units as they lie in what it wrote.
func (b *builder) write(ctx context.Context, out io.Writer, d *data, rows []uint32) (sizes []uint32, err error) {
	if d.format == 0 {
		d.size, d.crc = int64(len(b.text)), crc32.Checksum(b.text, castagnoli)
		return b.sizes(), nil
	}
	sum := &summing{w: out}
	z, err := block.NewParallelWriter(sum, d.format, min(2, runtime.GOMAXPROCS(0)))
	if err != nil {
		return nil, err
	}
	if d.grouped {
		z.Group()
	}
	if rows != nil {
		sizes = make([]uint32, 0, len(rows))
		_, err = z.Write(b.text[:b.cut.head])
		for i, row := range rows {
			if i%checkRows == 0 && err == nil {
				err = b.o.breath(ctx)
			}
			if err != nil {
				break
			}
			u := b.cut.unit(int(row))
			sizes = append(sizes, u.size)
			_, err = z.Write(b.text[u.at : int(u.at)+int(u.size)])
		}
		if err == nil {
			_, err = z.Write(b.text[b.cut.tail:])
		}
	} else {
		sizes = b.sizes()
		for at := 0; at < len(b.text) && err == nil; at += block.Bytes {
			if err = b.o.breath(ctx); err == nil {
				_, err = z.Write(b.text[at:min(at+block.Bytes, len(b.text))])
			}
		}
	}
	// Also after an error: what is on its way ends.
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	d.size, d.crc = sum.size, sum.crc
	return sizes, err
}

// Rebuild makes the sidecar of a closed file again from its data, which may be
// plain or compressed, in the order of arrival or grouped by run. Of o the
// fields alone count. It holds the whole text in memory. It returns [ErrTooLarge] and
// [ErrOrder].
func Rebuild(ctx context.Context, r io.ReaderAt, size int64, o Options) ([]byte, error) {
	text, d, err := readData(ctx, r, size)
	if err != nil {
		return nil, err
	}
	d.grouped = d.grouped || Grouped(text)
	return index(ctx, text, nil, d, o)
}

// index makes the sidecar of a text that stays as it lies, or, where it is written to out,
// as it is grouped. out is nil where d says of what data it is.
func index(ctx context.Context, text []byte, out io.Writer, d data, o Options) ([]byte, error) {
	o.Format = d.format
	b, err := newBuilder(text, o)
	if err != nil {
		return nil, err
	}
	if !d.grouped {
		b.cut, err = cutArrival(text, new(line.Parser), func(*line.Record, unit) error { return nil })
	} else {
		b.cut, err = cutGrouped(text)
	}
	if err != nil {
		return nil, err
	}
	sizes := b.sizes() // the units are cut as they lie in the text, in either order
	var order []uint32
	terms, w, err := b.collect(ctx, func(ctx context.Context) error {
		var rec line.Record
		for row := range b.cut.units {
			u := b.cut.unit(row)
			if err := b.parser.Parse(text[u.at:u.at+u.length], &rec); err != nil {
				return err // it was one a moment ago
			}
			if err := b.take(ctx, &rec, int(u.length)); err != nil {
				return err
			}
		}
		return nil
	}, func(ctx context.Context) error {
		order = b.people.order(b.columns.owners)
		var rows []uint32
		if d.grouped && !b.cut.lies(order) {
			if out == nil || d.format == 0 {
				return ErrOrder
			}
			rows = laid(order)
		}
		if out == nil {
			return nil
		}
		sizes, err = b.write(ctx, out, &d, rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.encode(d, order, sizes, terms, w), nil
}

func sameOrder(order []uint32) bool {
	for i, row := range order {
		if row != uint32(i) {
			return false
		}
	}
	return true
}

// readData reads a file whole and says what it is.
func readData(ctx context.Context, r io.ReaderAt, size int64) ([]byte, data, error) {
	d := data{size: size}
	if size > maxText {
		return nil, d, ErrTooLarge
	}
	sum := &summing{w: io.Discard}
	if _, err := io.Copy(sum, &stoppable{ctx, io.NewSectionReader(r, 0, size)}); err != nil {
		return nil, d, err
	}
	d.crc = sum.crc
	z, err := block.Open(r, size)
	if errors.Is(err, block.ErrFormat) {
		text := make([]byte, size)
		_, err := io.ReadFull(io.NewSectionReader(r, 0, size), text)
		return text, d, err
	}
	if err != nil {
		return nil, d, err
	}
	if z.Size() > maxText {
		return nil, d, ErrTooLarge
	}
	d.format, d.grouped = z.Format(), z.Grouped()
	var text bytes.Buffer
	text.Grow(int(z.Size()))
	_, err = io.Copy(&text, &stoppable{ctx, io.NewSectionReader(z, 0, z.Size())})
	return text.Bytes(), d, err
}

// stoppable ends a long reading with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
