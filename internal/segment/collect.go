package segment

import (
	"context"
	"errors"
	"runtime/debug"
	"unsafe"

	"github.com/steplog/steplog/internal/line"
)

// batch is what the terms of some rows are made of, at most [checkRows] that follow
// each other.
type batch struct {
	first  int      // row
	text   []byte   // the messages of all rows, copied while they are near
	ends   []uint32 // in text
	topics []value  // of rows that have one
	values []value
}

// value is one of the values of a field, or a topic.
type value struct {
	row, field uint32
	text       string
}

// waiting is how many batches wait at most.
const waiting = 8

// errPanicked is why all ends when terms cannot be collected.
var errPanicked = errors.New("segment: terms could not be collected")

// collect calls read, which takes in all rows, then write, and has the terms collected
// meanwhile, in another goroutine. That has ended when it returns, in whatever way: the
// text may be memory that is mapped, and is not touched any more. What it panics
// with there, it panics with here.
func (b *builder) collect(ctx context.Context, read, write func(ctx context.Context) error) (terms []section, w *postingWriter, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b.batches, b.used = make(chan batch, waiting), make(chan batch, waiting)
	var (
		made    []section
		rows    *postingWriter
		failure any
		done    = make(chan struct{}) // closed once these three are not written any more
	)
	go func() {
		defer close(done)
		defer func() {
			if failure = recover(); failure != nil {
				cancel(errPanicked)
			}
		}()
		debug.SetPanicOnFault(true)
		var err error
		if made, rows, err = b.terms(ctx); err != nil {
			cancel(err)
		}
	}()
	handing := true
	end := func() {
		if handing {
			handing = false
			close(b.batches)
		}
	}
	defer func() { // also when read or write panic
		cancel(nil)
		end()
		<-done
		if failure != nil {
			panic(failure)
		}
	}()
	if err = read(ctx); err == nil {
		err = b.hand(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	end()
	if err = write(ctx); err != nil {
		return nil, nil, err
	}
	<-done
	return made, rows, context.Cause(ctx)
}

// values takes in the values of a row's fields.
func (b *builder) values(details []byte, row uint32) {
	if details == nil {
		return
	}
	for n := range b.o.Fields {
		b.parser.Field(n, func(v string) bool {
			b.next.values = append(b.next.values, value{row, uint32(n), v})
			return true
		})
	}
}

// hand hands the rows over that were taken in since it did so before, and waits while too
// many of those are waiting.
func (b *builder) hand(ctx context.Context) error {
	select {
	case b.batches <- b.next:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case b.next = <-b.used:
	default:
		b.next = batch{ends: make([]uint32, 0, checkRows)}
	}
	b.next.first = len(b.columns.seqs)
	return nil
}

// terms makes the columns of terms: message, topic, fields, in this order.
func (b *builder) terms(ctx context.Context) ([]section, *postingWriter, error) {
	limit := termLimit(len(b.text))
	message, topic := newTermTable(limit), newTermTable(limit)
	fields := make([]*valueList, len(b.o.Fields))
	for n := range fields {
		fields[n] = newValueList(limit, aboutRows(b.text))
	}
	for part := range b.batches {
		if err := b.o.breath(ctx); err != nil {
			return nil, nil, err
		}
		at := uint32(0)
		for i, end := range part.ends {
			if message.over {
				break
			}
			message.addMessage(part.text[at:end], uint32(part.first+i))
			at = end
		}
		for _, v := range part.topics {
			topic.add(bytesOf(v.text), v.row)
		}
		for _, v := range part.values {
			fields[v.field].add(v.text, v.row)
		}
		select {
		case b.used <- batch{text: part.text[:0], ends: part.ends[:0], topics: part.topics[:0], values: part.values[:0]}:
		default:
		}
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	w := newPostingWriter(len(b.columns.seqs))
	sections := make([]section, 0, 2+len(fields))
	column := func(id sectionID, data []byte, ok bool, add func(f *filterSet, rec *line.Record)) (err error) {
		if !ok {
			data, err = b.filters(ctx, add)
		}
		sections = append(sections, section{id, data})
		return err
	}
	data, ok := message.encode(w, b.z)
	err := column(secMessage, data, ok, func(f *filterSet, rec *line.Record) { f.addTrigrams([]byte(searched(rec.Message))) })
	if err != nil {
		return nil, nil, err
	}
	data, ok = topic.encode(w, b.z)
	err = column(secTopic, data, ok, func(f *filterSet, rec *line.Record) {
		if rec.Topic != "" {
			f.add(bytesOf(rec.Topic))
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for n, l := range fields {
		data, ok = l.encode(w, b.z)
		err = column(secFields+sectionID(n), data, ok, func(f *filterSet, rec *line.Record) {
			line.Field(rec.Details, b.o.Fields[n], func(v string) bool {
				f.add(bytesOf(v))
				return true
			})
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return sections, w, ctx.Err()
}

// bytesOf returns the bytes of a text, which nobody changes.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
