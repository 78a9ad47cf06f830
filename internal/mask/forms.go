package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// forms returns every text that a secret may occur as, each of at least
// [MinSecret] bytes.
func forms(value string) []string {
	all := encodings(nil, value)
	if !strings.ContainsAny(value, "\r\n") {
		return all
	}
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= MinSecret {
			all = encodings(all, line)
		}
	}
	return all
}

func encodings(all []string, s string) []string {
	add := func(form string) {
		if len(form) >= MinSecret {
			all = append(all, form)
		}
	}
	add(s)
	for before := range 3 {
		form := aligned(s, before)
		add(form)
		add(strings.NewReplacer("+", "-", "/", "_").Replace(form))
	}
	add(base64.StdEncoding.EncodeToString([]byte(s)))
	add(base64.RawStdEncoding.EncodeToString([]byte(s)))
	add(base64.URLEncoding.EncodeToString([]byte(s)))
	add(base64.RawURLEncoding.EncodeToString([]byte(s)))
	for _, form := range []string{url.QueryEscape(s), url.PathEscape(s)} {
		add(form)
		add(lowerHex(form))
	}
	add(quoted(s, false))
	add(quoted(s, true))
	return all
}

// aligned returns those characters of the base64 text of s, when some number of
// bytes stand before it, that say nothing but s: the first and last may share
// their six bits with a neighbour.
func aligned(s string, before int) string {
	text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), s...))
	from := (before*8 + 5) / 6
	to := (before + len(s)) * 8 / 6
	return text[from:to]
}

// lowerHex writes the digits of percent escapes in lower case, as some do.
func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// quoted returns s as it stands inside a JSON string, with <, > and & escaped or
// not.
func quoted(s string, html bool) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(html)
	if enc.Encode(s) != nil { // a string always encodes
		return s
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(out.String(), "\n"), `"`), `"`)
}
