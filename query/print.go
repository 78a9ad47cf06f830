package query

import (
	"regexp"
	"strings"
	"unicode"
)

// String returns the text form of e, which [Parse] reads: an expression that
// matches the same records. It is "" for one that matches everything.
func (e Expr) String() string {
	if e.every() {
		return ""
	}
	var b strings.Builder
	e.write(&b, 0)
	return b.String()
}

// write writes e; around is 0 at the top, 1 within or, 2 within and, 3 within
// not.
func (e Expr) write(b *strings.Builder, around int) {
	open := func(is bool, to string) {
		if is {
			b.WriteString(to)
		}
	}
	switch e.Op {
	case OpEvery:
		b.WriteString("-()") // not nothing
	case OpNot:
		b.WriteString("-")
		e.Args[0].write(b, 3)
	case OpAnd, OpOr:
		rank, between := 2, " "
		if e.Op == OpOr {
			rank, between = 1, " OR "
		}
		switch {
		case len(e.Args) == 0 && e.Op == OpAnd:
			b.WriteString("-()")
			return
		case len(e.Args) == 0:
			b.WriteString("()")
			return
		case len(e.Args) == 1:
			e.Args[0].write(b, around)
			return
		}
		open(around >= rank, "(")
		for i, arg := range e.Args {
			open(i > 0, between)
			arg.write(b, rank)
		}
		open(around >= rank, ")")
	default:
		e.writeTerm(b)
	}
}

func (e Expr) writeTerm(b *strings.Builder) {
	message := e.Key && e.Field == "message"
	if message && e.Op == OpContains && e.Fold {
		b.WriteString(quoteText(e.Value))
		return
	}
	switch {
	case e.Key:
		b.WriteString(e.Field)
	case knownKey(e.Field) || strings.HasPrefix(e.Field, detailsPrefix):
		b.WriteString(quoteName(detailsPrefix + e.Field))
	default:
		b.WriteString(quoteName(e.Field))
	}
	b.WriteByte(':')
	value := quoteText(e.Value)
	if e.Fold {
		value += "i"
	}
	switch e.Op {
	case OpEq:
		b.WriteString(value)
	case OpIn:
		b.WriteByte('(')
		for i, v := range e.Values {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(quoteText(v))
			if e.Fold {
				b.WriteByte('i')
			}
		}
		b.WriteByte(')')
	case OpPrefix:
		b.WriteString(value + "*")
	case OpContains:
		b.WriteString("~" + value)
	case OpMatch:
		b.WriteString("/" + slashes(e.Value) + "/")
		if e.Fold {
			b.WriteByte('i')
		}
	case OpLess:
		b.WriteString("<" + value)
	case OpAtMost:
		b.WriteString("<=" + value)
	case OpMore:
		b.WriteString(">" + value)
	case OpAtLeast:
		b.WriteString(">=" + value)
	case OpExists:
		b.WriteByte('*')
	}
}

// quoteText quotes always: no value is taken for something else.
func quoteText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteName(s string) string {
	if s != "" && s[0] != '-' && s[0] != '/' && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`"():`, r)
	}) {
		return s
	}
	return quoteText(s)
}

// slashes puts a backslash before each slash that has none.
func slashes(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], `\Q`):
			literal, _, _ := strings.Cut(pattern[i:], `\E`)
			b.WriteString(slashesLiteral(literal[2:]))
			i += len(literal) + 1
		case pattern[i] == '\\' && i+1 < len(pattern):
			if pattern[i+1] == '/' { // the same as a slash
				b.WriteString(`\/`)
			} else {
				b.WriteString(pattern[i : i+2])
			}
			i++
		case pattern[i] == '/':
			b.WriteString(`\/`)
		default:
			b.WriteByte(pattern[i])
		}
	}
	return b.String()
}

// slashesLiteral writes what stands between \Q and \E, or the end. A backslash there is
// no escape in the pattern, but would be one in the text form.
func slashesLiteral(literal string) string {
	if strings.Contains(literal, `\`) {
		return strings.ReplaceAll(regexp.QuoteMeta(literal), "/", `\/`)
	}
	return `\Q` + strings.ReplaceAll(literal, "/", `\/`) + `\E`
}
