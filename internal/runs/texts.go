package runs

import (
	"encoding/binary"
	"strings"
)

// What runs say again and again is kept once: a text has a code, and runs that
// are packed name the code.

const (
	// maxTexts bounds how many texts have a code, so that a host that gives each
	// run one of its own does not fill the memory; others are kept with their run.
	maxTexts = 1 << 16
	// maxCoded is how long a text with a code may be, in bytes.
	maxCoded = 128
)

// texts are the texts with codes: an append-only list.
type texts struct {
	list []string
	code map[string]uint32
}

// newTexts returns a list that knows what the library itself says.
func newTexts() *texts {
	t := &texts{code: map[string]uint32{}}
	for _, s := range outcomes[1:] {
		t.enter(s)
	}
	t.enter(ReasonProcessDied)
	t.enter(ReasonRunEnded)
	return t
}

func (t *texts) enter(s string) uint32 {
	code := uint32(len(t.list))
	t.list = append(t.list, s)
	t.code[s] = code
	return code
}

// append appends a text: 0 for none, 1 and the text, or 2 + its code. One that
// occurs often gets a code.
func (t *texts) append(dst []byte, s string, often bool) []byte {
	if s == "" {
		return append(dst, 0)
	}
	if code, ok := t.codeOf(s, often); ok {
		return binary.AppendUvarint(dst, uint64(code)+2)
	}
	dst = binary.AppendUvarint(append(dst, 1), uint64(len(s)))
	return append(dst, s...)
}

// codeOf returns the code of a text; one that occurs often gets one.
func (t *texts) codeOf(s string, often bool) (code uint32, ok bool) {
	if code, ok = t.code[s]; !ok && often && len(s) <= maxCoded && len(t.list) < maxTexts {
		code, ok = t.enter(strings.Clone(s)), true
	}
	return code, ok
}

// share returns the text that is kept, or a copy.
func (t *texts) share(s string) string {
	if code, ok := t.codeOf(s, s != ""); ok {
		return t.list[code]
	}
	return strings.Clone(s)
}

// text takes a text; list are those with codes.
func (w *wireReader) text(list []string) string {
	switch code := w.Uvarint(); {
	case code == 0:
		return ""
	case code == 1:
		return string(w.Bytes(w.Count()))
	case code-2 < uint64(len(list)):
		return list[code-2]
	}
	w.Bad, w.B = true, nil
	return ""
}
