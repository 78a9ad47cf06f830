package line

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	keyRoom   = 32 // bytes that a plain key and what is written over its end may take
	valueRoom = 64 // that a value may take
	shortText = 16 // bytes of a text that fields writes itself
)

// fields appends fields as members, each with a comma after it. What records
// usually have, plain keys with short texts, whole numbers, decimal numbers, times
// that things took, true and false, it writes itself, and what else there is,
// field. It is the one place where a call counts: it writes into room that is
// looked for once a field, and over the end of what it writes.
func (e *Encoder) fields(b []byte, fields []zap.Field, st *state) []byte {
	n := len(b)
	b = b[:cap(b)]
	check := plainCheck(st)
	for i := range fields {
		f := &fields[i]
		key := f.Key
		var id keyID // idOf is too much for the compiler to put here
		switch size := len(key); {
		case size >= 8:
			id.x, id.y = load8(key, 0), load8(key, size-8)
		case size >= 4:
			id.x, id.y = uint64(load4(key, 0)), uint64(load4(key, size-4))
		case size > 0:
			id.x, id.y = uint64(key[0]), uint64(key[size/2])<<8|uint64(key[size-1])
		}
		k := e.keys.slot(id).Load()
		if (k.id.x^id.x)|(k.id.y^id.y)|(k.plain^(check+uint64(len(key)))) != 0 || len(b)-n < keyRoom+valueRoom {
			b = e.field(b[:n], f, i, st)
			n, b = len(b), b[:cap(b)]
			check = plainCheck(st)
			continue
		}
		room := (*[keyRoom + valueRoom]byte)(b[n : n+keyRoom+valueRoom])
		*(*[keyWords]byte)(room[:]) = k.words
		at := k.size & (keyRoom - 1)
		n += at
		p := (*[valueRoom]byte)(room[at : at+valueRoom])
		size := 0
		switch f.Type {
		case zapcore.StringType:
			if f.Interface != nil && marked(f) {
				n -= at
				continue
			}
			if len(f.String) <= shortText {
				size = putShort(p, f.String)
			}
		case zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type:
			if u := uint64(f.Integer); u < 1e4 {
				d := fourDigits(u)
				lead := bits.TrailingZeros32(d^zeros32|1<<24) / 8
				binary.LittleEndian.PutUint32(p[:], d>>(lead*8))
				size = 4 - lead
			} else {
				size = putInt((*[numberRoom]byte)(p[:]), f.Integer)
			}
		case zapcore.BoolType:
			word := uint64(falseWord)
			size = 5
			if f.Integer == 1 {
				word, size = trueWord, 4
			}
			binary.LittleEndian.PutUint64(p[:], word)
		case zapcore.Float64Type:
			size = putDecimal((*[numberRoom]byte)(p[:]), math.Float64frombits(uint64(f.Integer)))
		case zapcore.DurationType:
			size = putDuration((*[numberRoom]byte)(p[:]), time.Duration(f.Integer))
		default:
			b = e.field(b[:n-at], f, i, st)
			n, b = len(b), b[:cap(b)]
			check = plainCheck(st)
			continue
		}
		if size == 0 || st.secrets && e.mask.Contains(b[n:n+size]) {
			b = append(e.fieldValue(b[:n], f, st), ',')
			n, b = len(b), b[:cap(b)]
			continue
		}
		n += size
		b[n] = ','
		n++
	}
	return b[:n]
}

const (
	trueWord  = 't' | 'r'<<8 | 'u'<<16 | 'e'<<24
	falseWord = 'f' | 'a'<<8 | 'l'<<16 | 's'<<24 | 'e'<<32
)

// putShort writes s, of at most shortText bytes, as a JSON string, and returns how
// many bytes that took; 0 if something in s must be escaped.
func putShort(p *[valueRoom]byte, s string) int {
	var bad uint64
	switch size := len(s) & (2*shortText - 1); {
	case size >= 8:
		x, y := load8(s, 0), load8(s, len(s)-8)
		bad = special(x) | special(y)
		binary.LittleEndian.PutUint64(p[1:], x)
		binary.LittleEndian.PutUint64(p[size-7:], y)
	case size >= 4:
		x, y := load4(s, 0), load4(s, len(s)-4)
		bad = special(uint64(x) | uint64(y)<<32)
		binary.LittleEndian.PutUint32(p[1:], x)
		binary.LittleEndian.PutUint32(p[size-3:], y)
	default:
		for i := range size {
			if p[1+i] = s[i]; !safe[s[i]] {
				bad = 1
			}
		}
	}
	if bad != 0 {
		return 0
	}
	p[0], p[len(s)&(2*shortText-1)+1] = '"', '"'
	return len(s) + 2
}
