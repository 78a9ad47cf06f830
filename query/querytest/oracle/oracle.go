// Package oracle answers queries the slow and obvious way: a loop over every
// line of text, taken apart by encoding/json. It exists to be compared with.
//
// It shares no code with what it checks: it imports neither package query nor
// anything internal, and has filters and results of its own.
package oracle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Line is one line of a log as it is stored.
type Line struct {
	// File is the name of the log, without ".log".
	File string
	// Text is the line, without its newline.
	Text []byte
}

// Record is one record, decoded.
type Record struct {
	Seq   uint64
	Time  time.Time
	Level string
	// Kind is "" when it is none of those that there are.
	Kind string
	File string
	Text []byte

	keys    map[string]any // all of the line, numbers as json.Number
	message []rune         // what Search looks at
}

// Text is a store's whole text.
type Text struct {
	// Records are in the order of seq.
	Records []Record
}

// Read decodes lines. Lines without a seq are no records and left out; a line
// that is not JSON is an error, as is a seq that occurs twice.
func Read(lines []Line) (*Text, error) {
	t := &Text{}
	for _, line := range lines {
		d := json.NewDecoder(bytes.NewReader(line.Text))
		d.UseNumber()
		r := Record{File: line.File, Text: line.Text}
		if err := d.Decode(&r.keys); err != nil {
			return nil, fmt.Errorf("oracle: %s: %w: %s", line.File, err, line.Text)
		}
		number, ok := r.keys["seq"].(json.Number)
		if !ok {
			continue
		}
		if _, err := fmt.Sscan(number.String(), &r.Seq); err != nil {
			return nil, fmt.Errorf("oracle: seq %s: %w", number, err)
		}
		stamp, err := time.Parse(time.RFC3339Nano, r.String("timestamp"))
		if err != nil {
			return nil, fmt.Errorf("oracle: record %d: %w", r.Seq, err)
		}
		r.Time, r.Level, r.Kind = stamp, r.String("level"), r.String("kind")
		if !slices.Contains(kinds, r.Kind) {
			r.Kind = ""
		}
		r.message = fold(plain(r.String("message")))
		t.Records = append(t.Records, r)
	}
	slices.SortFunc(t.Records, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := 1; i < len(t.Records); i++ {
		if t.Records[i].Seq == t.Records[i-1].Seq {
			return nil, fmt.Errorf("oracle: seq %d occurs twice", t.Records[i].Seq)
		}
	}
	return t, nil
}

var kinds = []string{"line", "capture", "run", "step", "event", "access", "audit"}

// String returns the text of a fixed key, "" when it is absent or no text.
func (r *Record) String(key string) string {
	s, _ := r.keys[key].(string)
	return s
}

// Int returns the number of a fixed key, 0 when it is absent.
func (r *Record) Int(key string) int64 {
	n, _ := r.keys[key].(json.Number)
	i, _ := n.Int64()
	return i
}

// Bool returns the truth of a fixed key, false when it is absent.
func (r *Record) Bool(key string) bool {
	b, _ := r.keys[key].(bool)
	return b
}

// Has reports whether the line has a fixed key.
func (r *Record) Has(key string) bool {
	_, ok := r.keys[key]
	return ok
}

// Details returns what the line has under details, nil for nothing.
func (r *Record) Details() map[string]any {
	m, _ := r.keys["details"].(map[string]any)
	return m
}

// ErrorCode returns the error's code, "" for none.
func (r *Record) ErrorCode() string { return r.errorText("code") }

// ErrorMessage returns the error's message, "" for none.
func (r *Record) ErrorMessage() string { return r.errorText("message") }

func (r *Record) errorText(key string) string {
	m, _ := r.keys["error"].(map[string]any)
	text, _ := m[key].(string)
	return text
}

// Iteration returns a step's turn in a loop, and whether it is in one.
func (r *Record) Iteration() (index int, value any, ok bool) {
	m, ok := r.keys["iteration"].(map[string]any)
	n, _ := m["index"].(json.Number)
	i, _ := n.Int64()
	return int(i), m["value"], ok
}

// root is the run at the top of the record's run.
func (r *Record) root() string { return cmp.Or(r.String("root_run"), r.String("run")) }
