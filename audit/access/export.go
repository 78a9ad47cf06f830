package access

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// NCSA writes records in the combined log format that web servers write and most
// tools read: one line each, with the address, account, time, request, status,
// length, referrer and user agent. Quotes, backslashes and what is not printable
// are escaped as web servers do, so that a line stays one, and so are blanks in the
// account and the request, so that their parts stay what they are. It returns the
// first error of seq or w.
func NCSA(w io.Writer, seq iter.Seq2[Record, error]) error {
	return export(w, seq, func(b *bufio.Writer, r *Record) {
		fmt.Fprintf(b, "%s - %s [%s] \"%s %s %s\" %d %s \"%s\" \"%s\"\n",
			addr(r), word(r.Account), r.Time.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			word(r.Method), word(target(r)), word(r.Protocol), r.Status, length(r.Bytes),
			dash(escape(r.Referrer)), dash(escape(r.UserAgent)))
	})
}

// w3cTime is the form of the directive that says when a file was written.
const w3cTime = "2006-01-02 15:04:05"

// W3C writes records in the W3C extended log file format
// (https://www.w3.org/TR/WD-logfile), with a header that names the fields; times
// are UTC, and time-taken is in seconds. Blanks in values become "+", and a quote that
// a value begins with "%22": there it would begin a string, which ends at the next quote
// only. It returns the first error of seq or w.
func W3C(w io.Writer, seq iter.Seq2[Record, error]) error {
	head := false
	err := export(w, seq, func(b *bufio.Writer, r *Record) {
		if !head {
			head = true
			w3cHead(b, r.Time)
		}
		fmt.Fprintf(b, "%s %s %s %s %s %s %s %d %d %s %s %s %s %s %s\n",
			r.Time.UTC().Format("2006-01-02 15:04:05.000"), addr(r), plus(r.Account), plus(r.Method), plus(r.Path), plus(r.Query),
			plus(r.Protocol), r.Status, r.Bytes, strconv.FormatFloat(r.Duration.Seconds(), 'f', 6, 64),
			plus(r.Host), plus(r.UserAgent), plus(r.Referrer), plus(r.Tenant), plus(r.RequestID))
	})
	if err == nil && !head {
		b := bufio.NewWriter(w)
		w3cHead(b, time.Time{})
		err = b.Flush()
	}
	return err
}

func w3cHead(b *bufio.Writer, at time.Time) {
	fmt.Fprint(b, "#Version: 1.0\n")
	if !at.IsZero() {
		fmt.Fprintf(b, "#Start-Date: %s\n", at.UTC().Format(w3cTime))
	}
	fmt.Fprint(b, "#Fields: date time c-ip cs-username cs-method cs-uri-stem cs-uri-query cs-version sc-status sc-bytes "+
		"time-taken cs-host cs(User-Agent) cs(Referer) x-tenant x-request-id\n")
}

func export(w io.Writer, seq iter.Seq2[Record, error], write func(*bufio.Writer, *Record)) error {
	b := bufio.NewWriter(w)
	for r, err := range seq {
		if err != nil {
			return fmt.Errorf("access: export: %w", err)
		}
		write(b, &r)
	}
	return b.Flush()
}

func addr(r *Record) string {
	if !r.IP.IsValid() {
		return "-"
	}
	return r.IP.String()
}

func target(r *Record) string {
	if r.Query == "" {
		return r.Path
	}
	return r.Path + "?" + r.Query
}

func length(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// escape hides what could end a quoted value or a line.
func escape(s string) string {
	if !strings.ContainsFunc(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func special(c rune) bool { return c == '"' || c == '\\' || c < 0x20 || c >= 0x7f }

// word is a value that ends at a blank.
func word(s string) string { return dash(strings.ReplaceAll(escape(s), " ", `\x20`)) }

// plus is a value of a W3C line.
func plus(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c >= ' ' && unicode.IsSpace(c) || c == '\t':
			return '+'
		case unicode.IsControl(c):
			return -1
		}
		return c
	}, s)
	if strings.HasPrefix(s, `"`) {
		s = "%22" + s[1:]
	}
	return dash(s)
}
