package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

// normal makes a value what JSON sees in it, see parseTree. nil itself is nothing
// at all.
func normal(v any) (any, error) {
	if v == nil {
		return absent{}, nil
	}
	text, raw := v.(json.RawMessage)
	if text == nil { // JSON's null when it is a RawMessage
		var err error
		if text, err = marshal(v); err != nil {
			return nil, err
		}
		raw = false
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", errDiff, maxInput)
	}
	if raw && !json.Valid(text) {
		var into any
		return nil, fmt.Errorf("%w: %w", errDiff, json.Unmarshal(text, &into))
	}
	return parseTree(string(text))
}

// cutter cuts values that are too long; it hides nothing.
var cutter = line.NewEncoder(line.Options{}) // immutable

// canonical appends a value as JSON with sorted keys.
func canonical(dst []byte, v any) []byte {
	h := hider{}
	dst, _ = h.append(dst, v, false)
	return dst
}

// hiddenOpen begins what stands for a hidden value, as a string in JSON.
const hiddenOpen = "hmac:"

// hiddenDigits is how many hexadecimal digits of the HMAC are kept: enough to
// tell values apart, too few to be sure of a guess without the key.
const hiddenDigits = 16

// hider writes values with the secrets among them replaced. The zero hider hides
// nothing.
type hider struct {
	mask *mask.Masker
	key  []byte // of the HMAC; nil to drop values
}

// append appends a value as JSON and reports whether anything in it was hidden.
// With secret all of it is.
func (h *hider) append(dst []byte, v any, secret bool) (out []byte, hidden bool) {
	if secret {
		return h.stand(dst, v), true
	}
	switch v := v.(type) {
	case object:
		dst = append(dst, '{')
		for i := range v {
			m := &v[i]
			if i > 0 {
				dst = append(dst, ',')
			}
			name, hid := h.name(m.key)
			dst = append(appendText(dst, name), ':')
			var below bool
			dst, below = h.append(dst, m.value, h.mask.Key(m.key))
			hidden = hidden || hid || below
		}
		return append(dst, '}'), hidden
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var below bool
			dst, below = h.append(dst, e, false)
			hidden = hidden || below
		}
		return append(dst, ']'), hidden
	case string:
		if h.mask.HasSecrets() && h.mask.Contains([]byte(v)) {
			return h.stand(dst, v), true
		}
		return appendText(dst, v), false
	case json.Number:
		if h.mask.HasSecrets() && h.mask.Contains([]byte(v)) {
			return h.stand(dst, v), true
		}
		return append(dst, v...), false
	case bool:
		if v {
			return append(dst, "true"...), false
		}
		return append(dst, "false"...), false
	default:
		return append(dst, "null"...), false
	}
}

// name is the name of a key, with the secrets in it hidden.
func (h *hider) name(k string) (shown string, hidden bool) { return h.mask.Mask(k) }

// stand appends what stands for a hidden value: it is the same for the same
// value and says nothing else of it.
func (h *hider) stand(dst []byte, v any) []byte {
	if h.key == nil {
		return append(append(append(dst, '"'), mask.Hidden...), '"')
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write(canonical(nil, v))
	var sum [sha256.Size]byte
	dst = append(append(dst, '"'), hiddenOpen...)
	dst = hex.AppendEncode(dst, mac.Sum(sum[:0])[:hiddenDigits/2])
	return append(dst, '"')
}

// appendText appends a string as JSON. What is not UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0 // what of s is in dst
	for i := 0; i < len(s); {
		c := s[i]
		if plainASCII[c] {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		i += n
		done = i
		switch {
		case c >= utf8.RuneSelf:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, s[done:]...), '"')
}

// plainASCII says which bytes of ASCII stand in JSON as they are.
var plainASCII = func() (table [256]bool) { // immutable
	for c := ' '; c < 0x7f; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()
