package audit

import (
	"bytes"
	"encoding/json"
)

// deletion is what a record of retention says of the file that is about to be
// deleted.
type deletion struct {
	end uint64 // the seq after its last record
}

// deletionMark is how the records that are looked for are found among the
// others. It cannot occur inside a text, where quotes are escaped.
var deletionMark = []byte(`"event":"` + SegmentDeleted.Name + `"`) // immutable

// deletionTail is what the mark ends with from its last underscore on. Hardly any
// other line has an underscore so early, so a search that begins with that byte
// passes over them at the speed of memory.
var deletionTail = deletionMark[bytes.LastIndexByte(deletionMark, '_'):] // immutable

// markWithin is how far into a line the event may end: the keys before it are
// fixed, and their values are bounded.
const markWithin = 320

// segmentType is the type of the target of such a record.
const segmentType = "segment"

// extent is what a record of retention says of a file, as a diff's value.
type extent struct {
	First uint64 `json:"first"`
	End   uint64 `json:"end"`
}

// deletionOf returns what a record of retention says, nil for every other.
func deletionOf(line []byte) *deletion {
	head := line[:min(len(line), markWithin)]
	if !bytes.Contains(head, deletionTail) || !bytes.Contains(head, deletionMark) {
		return nil
	}
	r, err := ParseRecord(line)
	if err != nil || r.Event != SegmentDeleted.Name || r.Target.Type != segmentType {
		return nil
	}
	var d deletion
	for _, c := range r.Changes {
		var e extent
		if c.Path == "" && json.Unmarshal(c.Before, &e) == nil {
			d.end = e.End
		}
	}
	return &d
}
