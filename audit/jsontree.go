package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// object is a JSON object: its members by key, each key once, the last of those
// that are repeated.
type object []member

type member struct {
	key   string
	value any
}

// get returns the value of a key, nil when there is none.
func (o object) get(key string) any {
	i, there := slices.BinarySearchFunc(o, key, func(m member, k string) int { return strings.Compare(m.key, k) })
	if !there {
		return nil
	}
	return o[i].value
}

// parseTree returns what stands in a JSON text: objects, lists, strings,
// booleans, nil and json.Number, the strings being parts of text. The text was
// found valid before.
func parseTree(text string) (any, error) {
	p := treeParser{text: text}
	v := p.value()
	return v, p.err
}

// treeParser reads valid JSON. It is several times as quick as encoding/json,
// which makes maps, and copies each string.
type treeParser struct {
	text string
	at   int
	err  error // of a string that encoding/json refuses
}

// next is the next byte that is no space.
func (p *treeParser) next() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return c
		}
	}
	return 0
}

func (p *treeParser) value() any {
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.list()
	case '"':
		return p.string()
	case 't':
		p.at += len("true")
		return true
	case 'f':
		p.at += len("false")
		return false
	case 'n':
		p.at += len("null")
		return nil
	default:
		return p.number()
	}
}

// more passes over the comma or the end that follows an element, and reports
// whether another one comes.
func (p *treeParser) more(end byte) bool {
	c := p.next()
	p.at++
	return c != end && c != 0
}

func (p *treeParser) object() object {
	p.at++
	o := make(object, 0, 8)
	if p.next() == '}' {
		p.at++
		return o
	}
	sorted := true
	for more := true; more; more = p.more('}') {
		p.next()
		key := p.string()
		p.next()
		p.at++ // the colon
		sorted = sorted && (len(o) == 0 || o[len(o)-1].key < key)
		o = append(o, member{key, p.value()})
	}
	if !sorted {
		slices.SortStableFunc(o, func(a, b member) int { return strings.Compare(a.key, b.key) })
		slices.Reverse(o) // so that the last of those that are repeated is kept
		o = slices.CompactFunc(o, func(a, b member) bool { return a.key == b.key })
		slices.Reverse(o)
	}
	return o
}

func (p *treeParser) list() []any {
	p.at++
	list := []any{}
	if p.next() == ']' {
		p.at++
		return list
	}
	for more := true; more; more = p.more(']') {
		list = append(list, p.value())
	}
	return list
}

func (p *treeParser) string() string {
	start := p.at + 1
	plain, ascii := true, true
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			p.at++
			if plain && (ascii || utf8.ValidString(s)) {
				return s
			}
			var out string
			if err := json.Unmarshal([]byte(p.text[start-1:p.at]), &out); err != nil && p.err == nil {
				p.err = fmt.Errorf("%w: %w", errDiff, err)
			}
			return out
		case c == '\\':
			plain = false
			p.at++
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return p.text[start:]
}

func (p *treeParser) number() json.Number {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789Ee", p.text[p.at]) >= 0 {
		p.at++
	}
	if p.at == start {
		p.at++ // nothing that is valid; to come to an end all the same
	}
	return json.Number(p.text[start:min(p.at, len(p.text))])
}
