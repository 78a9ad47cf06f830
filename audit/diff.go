package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/steplog/steplog/internal/mask"
)

// Change is one row of a diff.
type Change struct {
	// Path is the place as a JSON pointer (RFC 6901). An element of a list whose
	// elements have ids is named by its id, in brackets: /steps/[a1]/name, or by what
	// stands for it where values are hidden; one of any other list by its position, in
	// the new list, or in the old one when it was removed. /steps/[order] stands for the order of elements with ids.
	Path string `json:"path"`
	// Op is what happened there.
	Op Op `json:"op"`
	// Before and After are the values as JSON, nil where there was or is none. A
	// hidden value is a string that begins with "hmac:", or "***"; one that was
	// cut is {"$cut":bytes,"sha256":"…","head":"…"}.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Op is what happened at a path.
type Op string

// The operations.
const (
	OpAdd     Op = "add"
	OpRemove  Op = "remove"
	OpReplace Op = "replace"
	OpReorder Op = "reorder"
)

// Limits of a diff.
const (
	// DefaultMaxChanges is how many changes a record keeps at most; it says how
	// many more there were.
	DefaultMaxChanges = 200
	// DefaultMaxValueBytes is how long a value of a change may be as JSON before
	// it is cut, in bytes.
	DefaultMaxValueBytes = 2048

	// maxDepth is how deep values are compared part by part. What lies deeper is
	// compared as a whole.
	maxDepth = 32
	// maxInput bounds what is compared, in bytes of JSON for each side.
	maxInput = 8 << 20
)

// defaultKeys hides the values of keys that look like secrets.
var defaultKeys = mask.New(nil) // immutable

// Diff returns what differs between two values, as JSON sees them. Numbers are
// compared by their digits, so that none is too long to differ. Values of keys
// that look like secrets are "***". nil stands for nothing at all.
//
// It returns an error when a value cannot be marshaled, also when its marshaler
// panics, or is longer than 8 MiB.
func Diff(before, after any) ([]Change, error) {
	d := differ{hide: hider{mask: defaultKeys}, maxChanges: 1 << 20, maxValue: 1 << 20}
	b, err := normal(before)
	if err != nil {
		return nil, err
	}
	a, err := normal(after)
	if err != nil {
		return nil, err
	}
	return d.diff(b, a), nil
}

// absent is the value of what is not there; nil is JSON's null.
type absent struct{}

// differ compares two values. It is for one goroutine at a time.
type differ struct {
	hide       hider
	maxChanges int
	maxValue   int

	path    []byte
	secret  bool // the place lies under a secret key
	changes []Change
	left    int // changes above maxChanges
	cut     bool
	redact  bool
}

// diff compares two values that normal made.
func (d *differ) diff(before, after any) []Change {
	d.path, d.secret, d.changes, d.left, d.cut, d.redact = d.path[:0], false, nil, 0, false, false
	d.value(before, after, 0)
	return d.changes
}

func (d *differ) value(before, after any, depth int) {
	switch b := before.(type) {
	case object:
		if a, ok := after.(object); ok && depth < maxDepth {
			d.object(b, a, depth+1)
			return
		}
	case []any:
		if a, ok := after.([]any); ok && depth < maxDepth {
			d.list(b, a, depth+1)
			return
		}
	}
	if !equal(before, after) {
		d.row(before, after)
	}
}

// row adds a change at the current path.
func (d *differ) row(before, after any) {
	op := OpReplace
	switch {
	case before == absent{}:
		op = OpAdd
	case after == absent{}:
		op = OpRemove
	}
	d.add(op, before, after)
}

func (d *differ) add(op Op, before, after any) {
	if len(d.changes) >= d.maxChanges {
		d.left++
		return
	}
	d.changes = append(d.changes, Change{Path: string(d.path), Op: op, Before: d.json(before), After: d.json(after)})
}

// json is a value as a change shows it.
func (d *differ) json(v any) json.RawMessage {
	if v == (absent{}) {
		return nil
	}
	text, hidden := d.hide.append(nil, v, d.secret)
	d.redact = d.redact || hidden
	if len(text) > d.maxValue {
		d.cut = true
		text, _ = cutter.AppendValue(nil, "", json.RawMessage(text), d.maxValue)
	}
	return text
}

// enter goes to a part of the current place; the returned function goes back.
func (d *differ) enter(token string) func() {
	n, secret := len(d.path), d.secret
	d.path = append(d.path, '/')
	for i := range len(token) {
		switch token[i] {
		case '~':
			d.path = append(d.path, "~0"...)
		case '/':
			d.path = append(d.path, "~1"...)
		default:
			d.path = append(d.path, token[i])
		}
	}
	return func() { d.path, d.secret = d.path[:n], secret }
}

func (d *differ) object(before, after object, depth int) {
	for len(before) > 0 || len(after) > 0 {
		var key string
		b, a := any(absent{}), any(absent{})
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].key < after[0].key:
			key, b, before = before[0].key, before[0].value, before[1:]
		case len(before) == 0 || after[0].key < before[0].key:
			key, a, after = after[0].key, after[0].value, after[1:]
		default:
			key, b, a, before, after = before[0].key, before[0].value, after[0].value, before[1:], after[1:]
			if equal(b, a) {
				continue
			}
		}
		shown, hidden := d.hide.name(key)
		back := d.enter(shown)
		if d.hide.mask.Key(key) {
			d.secret = true
		}
		d.redact = d.redact || hidden
		d.value(b, a, depth)
		back()
	}
}

func (d *differ) list(before, after []any, depth int) {
	idsBefore, okBefore := idsOf(before)
	idsAfter, okAfter := idsOf(after)
	if okBefore && okAfter && len(before)+len(after) > 0 {
		d.keyed(before, after, idsBefore, idsAfter, depth)
		return
	}
	for _, e := range align(before, after) {
		i, b, a := e.after, any(absent{}), any(absent{})
		if e.before >= 0 {
			b = before[e.before]
		}
		if e.after >= 0 {
			a = after[e.after]
		} else {
			i = e.before
		}
		back := d.enter(strconv.Itoa(i))
		d.value(b, a, depth)
		back()
	}
}

// idsOf returns the ids of a list's elements, in their order; false when not
// every element has one of its own.
func idsOf(list []any) ([]string, bool) {
	ids := make([]string, len(list))
	seen := make(map[string]bool, len(list))
	for i, e := range list {
		o, ok := e.(object)
		if !ok {
			return nil, false
		}
		switch id := o.get("id").(type) {
		case string:
			ids[i] = id
		case json.Number:
			ids[i] = string(id)
		default:
			return nil, false
		}
		if seen[ids[i]] {
			return nil, false
		}
		seen[ids[i]] = true
	}
	return ids, true
}

// keyed compares lists whose elements have ids.
func (d *differ) keyed(before, after []any, idsBefore, idsAfter []string, depth int) {
	at := make(map[string]int, len(after))
	for i, id := range idsAfter {
		at[id] = i
	}
	element := func(id string, b, a any) {
		shown, hidden := d.hide.name(id)
		if d.secret { // it is a value like the others there
			shown, hidden = strings.Trim(string(d.hide.stand(nil, id)), `"`), true
		}
		d.redact = d.redact || hidden
		back := d.enter("[" + shown + "]")
		d.value(b, a, depth)
		back()
	}
	var order []any
	for i, id := range idsBefore {
		j, there := at[id]
		if !there {
			element(id, before[i], absent{})
			continue
		}
		order = append(order, id)
		if !equal(before[i], after[j]) {
			element(id, before[i], after[j])
		}
	}
	was := make(map[string]bool, len(before))
	for _, id := range idsBefore {
		was[id] = true
	}
	var now []any
	for j, id := range idsAfter {
		if !was[id] {
			element(id, absent{}, after[j])
			continue
		}
		now = append(now, id)
	}
	if !slices.Equal(order, now) {
		back := d.enter("[order]")
		d.add(OpReorder, order, now)
		back()
	}
}

// pair says which elements of two lists are compared; -1 for none.
type pair struct{ before, after int }

// maxTable bounds the table that align fills.
const maxTable = 1 << 20

// align pairs the elements of two lists that differ: what both have in common is
// left out, as much of it as possible; what stands between is paired in order.
func align(before, after []any) []pair {
	start := 0
	for start < len(before) && start < len(after) && equal(before[start], after[start]) {
		start++
	}
	n, m := len(before), len(after)
	for n > start && m > start && equal(before[n-1], after[m-1]) {
		n, m = n-1, m-1
	}
	var pairs []pair
	gap := func(i, iEnd, j, jEnd int) {
		for ; i < iEnd || j < jEnd; i, j = i+1, j+1 {
			p := pair{i, j}
			if i >= iEnd {
				p.before = -1
			}
			if j >= jEnd {
				p.after = -1
			}
			pairs = append(pairs, p)
		}
	}
	rows, columns := n-start, m-start
	if rows == 0 || columns == 0 || rows*columns > maxTable {
		gap(start, n, start, m)
		return pairs
	}
	i, j := start, start
	for _, c := range common(codesOf(before[start:n], after[start:m])) {
		gap(i, start+c.before, j, start+c.after)
		i, j = start+c.before+1, start+c.after+1
	}
	gap(i, n, j, m)
	return pairs
}

// codesOf numbers the elements of two lists: equal ones have one number.
func codesOf(before, after []any) (b, a []int) {
	codes := map[string]int{}
	number := func(list []any) []int {
		out := make([]int, len(list))
		var text []byte
		for i, e := range list {
			text = canonical(text[:0], e)
			code, ok := codes[string(text)]
			if !ok {
				code = len(codes)
				codes[string(text)] = code
			}
			out[i] = code
		}
		return out
	}
	return number(before), number(after)
}

// common returns a longest common subsequence.
func common(before, after []int) []pair {
	width := len(after) + 1
	table := make([]int32, (len(before)+1)*width)
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	var pairs []pair
	for i, j := 0, 0; i < len(before) && j < len(after); {
		switch {
		case before[i] == after[j]:
			pairs = append(pairs, pair{i, j})
			i, j = i+1, j+1
		case table[(i+1)*width+j] >= table[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// equal compares two values that normal made.
func equal(a, b any) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		return ok && slices.EqualFunc(a, b, func(x, y member) bool { return x.key == y.key && equal(x.value, y.value) })
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	default:
		switch b.(type) {
		case object, []any:
			return false
		}
		return a == b
	}
}

// errDiff is what a marshaler's panic becomes.
var errDiff = errors.New("audit: a value cannot be compared")

// marshal is json.Marshal for what a host hands in.
func marshal(v any) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = nil, fmt.Errorf("%w: its marshaler panicked", errDiff)
		}
	}()
	if text, err = json.Marshal(v); err != nil {
		return nil, fmt.Errorf("%w: %w", errDiff, err)
	}
	return text, nil
}
