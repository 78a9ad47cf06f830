package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/steplog/steplog/internal/line"
)

// Rows that are no records of runs and steps are saved as they are: nothing is read for them, and
// nothing indexed.
//
//	checksum u32 of what follows | rows | owners
//	| per owner: 15 texts, attempt
//	| per row: seq and time less those of the row before, length, owner; a byte each: level, kind

// identityTexts returns where the texts of an identity stand, in the order in which
// they are saved.
func identityTexts(id *line.Identity) [15]*string {
	return [...]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project,
		&id.Operation, &id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep,
		&id.Step, &id.Action, &id.ActionName}
}

// withoutLifecycle reports whether no row from one on is a record of a run or step.
func withoutLifecycle(r *rows, from int) bool {
	for i := from; i < r.n; i++ {
		if kind := r.at(i).Kind; kind == line.KindRun || kind == line.KindStep {
			return false
		}
	}
	return true
}

// appendRows appends the rows from one on.
func (t *tables) appendRows(dst []byte, view *rows, from int) []byte {
	numbers := map[uint32]uint64{}
	var texts, list []byte
	last := &Row{}
	for i := from; i < view.n; i++ {
		row := view.at(i)
		n, known := numbers[row.Owner]
		if !known {
			n = uint64(len(numbers))
			numbers[row.Owner] = n
			t.mu.Lock()
			id := *t.identityAt(row.Owner)
			t.mu.Unlock()
			for _, s := range identityTexts(&id) {
				texts = appendBytes(texts, []byte(*s))
			}
			texts = binary.AppendVarint(texts, int64(id.Attempt))
		}
		list = binary.AppendUvarint(list, row.Seq-last.Seq)
		list = binary.AppendVarint(list, row.Time-last.Time)
		list = binary.AppendUvarint(list, uint64(row.Len))
		list = binary.AppendUvarint(list, n)
		list = append(list, byte(row.Level), byte(row.Kind))
		last = row
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(view.n-from))
	dst = binary.AppendUvarint(dst, uint64(len(numbers)))
	dst = append(append(dst, texts...), list...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// readRows calls yield for each row, without its place, and its owner.
func readRows(b []byte, yield func(row *Row, id *line.Identity) bool) error {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return errRows
	}
	r := readWire(b[4:])
	count, owners := r.Uvarint(), r.Uvarint()
	if owners > uint64(len(b)) {
		return errRows
	}
	ids := make([]line.Identity, owners)
	for i := range ids {
		for _, s := range identityTexts(&ids[i]) {
			*s = string(r.Bytes(r.Count()))
		}
		ids[i].Attempt = int(r.Varint())
	}
	var row Row
	for ; count > 0 && !r.Bad; count-- {
		step := r.Uvarint()
		row.Seq += step
		row.Time += r.Varint()
		length, owner := r.Uvarint(), r.Uvarint()
		class := r.Bytes(2)
		if r.Bad {
			return errRows
		}
		row.Level, row.Kind = int8(class[0]), line.Kind(class[1])
		if step == 0 || row.Seq > maxSeq || length > maxSaved || owner >= owners || row.Kind.String() == "" {
			return errRows
		}
		row.Len = uint32(length)
		if !yield(&row, &ids[owner]) {
			return nil
		}
	}
	if r.Bad {
		return errRows
	}
	return nil
}

// takeRows publishes saved rows, if they are of the text that is there.
func (j *Journal) takeRows(seg *segment, b []byte, size int64) {
	end := j.tables.parsed(seg)
	first, last, lastAt := uint64(0), uint64(0), int64(0)
	err := readRows(b, func(row *Row, _ *line.Identity) bool {
		if first == 0 {
			first = row.Seq
		}
		last, lastAt = row.Seq, end
		end += int64(row.Len) + 1
		return true
	})
	if err != nil {
		j.problem(err)
		return
	}
	at := j.tables.parsed(seg)
	if first <= j.tables.lastOf(seg) || end > size || !j.begins(seg, at, first) || !j.begins(seg, lastAt, last) {
		return
	}
	if last <= j.tables.settled {
		err = j.tables.takeRest(seg, b, at)
	} else {
		owners := map[*line.Identity]*Owner{}
		err = readRows(b, func(row *Row, id *line.Identity) bool {
			o := owners[id]
			if o == nil {
				o = j.tables.ownerRead(id)
				owners[id] = o
			}
			row.Offset = uint32(at)
			at += int64(row.Len) + 1
			j.tables.publish(seg, *row, o, nil)
			return true
		})
	}
	if err != nil {
		j.problem(errors.Join(errRows, err)) // it was read a moment ago
	}
}

// takeRest takes in saved rows of which the tables know everything else, as lines
// that follow each other from an offset on.
func (t *tables) takeRest(seg *segment, b []byte, at int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	codes := map[*line.Identity]uint32{}
	return readRows(b, func(row *Row, id *line.Identity) bool {
		code, known := codes[id]
		if !known {
			code = t.settledCode(id)
			codes[id] = code
		}
		r := *row
		r.Offset, r.Owner = uint32(at), code
		at += int64(r.Len) + 1
		t.owners.rows[code]++
		seg.rows.append(r)
		seg.parsed = at
		t.asOf = max(t.asOf, r.Seq)
		return true
	})
}
