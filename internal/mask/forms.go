package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// forms returns every text that a secret may occur as, each of at least
// minSecret bytes.
func forms(value string) []string {
	all := encodings(nil, value)
	if !strings.ContainsAny(value, "\r\n") {
		return all
	}
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) >= minSecret {
			all = encodings(all, line)
		}
	}
	return all
}

func encodings(all []string, s string) []string {
	add := func(form string) {
		if len(form) >= minSecret {
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
	for _, kept := range keptInURLs {
		form := percent(s, kept)
		add(form)
		add(lowerHex(form))
		form = strings.ReplaceAll(form, "%20", "+")
		add(form)
		add(lowerHex(form))
	}
	for _, form := range []string{quoted(s, false), quoted(s, true)} {
		for _, digits := range []string{"", "0123456789abcdef", "0123456789ABCDEF"} {
			form := onlyASCII(form, digits)
			add(form)
			add(strings.ReplaceAll(form, "/", `\/`))
		}
	}
	return all
}

// keptInURLs are the characters that an escaped text has as they are, beside letters,
// digits and -_. Everybody has a set of their own.
var keptInURLs = [...]string{ // immutable
	"~",                         // RFC 3986, and url.QueryEscape
	"",                          // urlencode of PHP
	"*",                         // forms of browsers and of Java
	"~!*'()",                    // encodeURIComponent
	"~!*'();/?:@&=+$,#",         // encodeURI
	"~/",                        // quote of Python
	"~$&+=:@",                   // url.PathEscape
	"~$&+,/:;=@",                // the path of a url.URL
	"~$&+,;=",                   // the password of a url.URL
	"~!$%&()*+,/:;=?@[\\]^`{|}", // the query of a browser
	"~!$%&'()*+,",               // the password of a browser's URL
}

// percent escapes s for a URL, all but letters, digits, -_. and the kept ones.
func percent(s, kept string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || strings.IndexByte(kept, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
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

// onlyASCII escapes what stands in a JSON string outside ASCII, as encoders for old readers
// do, with the given hexadecimal digits; none of them changes nothing.
func onlyASCII(s, digits string) string {
	if digits == "" || ascii(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			b.Write([]byte{'\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15]})
		}
	}
	return b.String()
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
