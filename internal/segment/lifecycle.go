package segment

import (
	"encoding/binary"
	"time"

	"github.com/steplog/steplog/internal/line"
)

// Run and step records are kept whole, so that the tables of runs and steps are
// rebuilt without the text. A record is
//
//	row | flags | phase | and what the flags say is there
//
// with numbers as varints and texts behind their lengths. Records follow each
// other in blocks of some 64 KiB, each a zstd frame behind its size (uvarint).

const (
	hasID = 1 << iota
	hasStarted
	hasEnd // outcome, reason, duration, levels, bytes
	isImplied
	hasCounts
	hasTrigger // triggered by, schedule
	isInbound
	hasOrder
	hasIteration
	hasIterationValue
	isArchived
)

const lifecycleBlock = 64 << 10

func appendLifecycle(b []byte, row uint32, l *line.Lifecycle) []byte {
	flags := uint64(0)
	set := func(is bool, flag uint64) {
		if is {
			flags |= flag
		}
	}
	set(l.ID != 0, hasID)
	set(!l.Started.IsZero(), hasStarted)
	set(l.Outcome != "" || l.Reason != "" || l.Duration != 0 || l.Levels != (line.Levels{}) || l.Bytes != 0, hasEnd)
	set(l.Implied, isImplied)
	set(l.Counted, hasCounts)
	set(l.TriggeredBy != "" || l.Schedule != "", hasTrigger)
	set(l.Inbound, isInbound)
	set(l.Order != 0, hasOrder)
	set(l.Iterated, hasIteration)
	set(l.IterationValue != nil, hasIterationValue)
	set(l.Archived, isArchived)
	b = binary.AppendUvarint(b, uint64(row))
	b = binary.AppendUvarint(b, flags)
	b = appendText(b, l.Phase)
	if flags&hasID != 0 {
		b = binary.AppendUvarint(b, l.ID)
	}
	if flags&hasStarted != 0 {
		b = binary.AppendVarint(b, l.Started.Unix())
		b = binary.AppendVarint(b, int64(l.Started.Nanosecond()))
	}
	if flags&hasEnd != 0 {
		b = appendText(appendText(b, l.Outcome), l.Reason)
		b = binary.AppendVarint(b, int64(l.Duration))
		for _, n := range l.Levels {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendVarint(b, l.Bytes)
	}
	if flags&hasCounts != 0 {
		for _, n := range [...]int64{l.Processed, l.Succeeded, l.Failed, l.Fragments} {
			b = binary.AppendVarint(b, n)
		}
	}
	if flags&hasTrigger != 0 {
		b = appendText(appendText(b, l.TriggeredBy), l.Schedule)
	}
	if flags&hasOrder != 0 {
		b = binary.AppendVarint(b, int64(l.Order))
	}
	if flags&(hasIteration|hasIterationValue) != 0 {
		b = binary.AppendVarint(b, int64(l.IterationIndex))
		if flags&hasIterationValue != 0 {
			b = appendText(b, string(l.IterationValue))
		}
	}
	return b
}

func (w *reader) lifecycle() (row uint32, l line.Lifecycle) {
	row = uint32(min(w.Uvarint(), maxRows))
	flags := w.Uvarint()
	l.Phase = phaseText(w.text())
	if flags&hasID != 0 {
		l.ID = w.Uvarint()
	}
	if flags&hasStarted != 0 {
		seconds := w.Varint()
		l.Started = time.Unix(seconds, w.Varint()).UTC()
	}
	if flags&hasEnd != 0 {
		l.Outcome, l.Reason = w.text(), w.text()
		l.Duration = time.Duration(w.Varint())
		for i := range l.Levels {
			l.Levels[i] = w.Varint()
		}
		l.Bytes = w.Varint()
	}
	if flags&hasCounts != 0 {
		l.Counted = true
		l.Processed, l.Succeeded, l.Failed, l.Fragments = w.Varint(), w.Varint(), w.Varint(), w.Varint()
	}
	if flags&hasTrigger != 0 {
		l.TriggeredBy, l.Schedule = w.text(), w.text()
	}
	if flags&hasOrder != 0 {
		l.Order = int(w.Varint())
	}
	if flags&(hasIteration|hasIterationValue) != 0 {
		l.IterationIndex = int(w.Varint())
		l.Iterated = flags&hasIteration != 0
		if flags&hasIterationValue != 0 {
			l.IterationValue = []byte(w.text())
		}
	}
	l.Implied, l.Inbound, l.Archived = flags&isImplied != 0, flags&isInbound != 0, flags&isArchived != 0
	return row, l
}

// phaseText spares a copy of each of the usual phases.
func phaseText(s string) string {
	for _, p := range [...]string{line.PhaseStart, line.PhaseEnd, line.PhaseUpdate, line.PhaseResume} {
		if s == p {
			return p
		}
	}
	return s
}
