package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/steplog/steplog/levels"
)

// SyntaxError says where a text is no expression.
type SyntaxError struct {
	// Offset is where in the text, in bytes from 0.
	Offset int
	// Reason says what is wrong there, in a few words.
	Reason string
}

// Error gives the place, counted from 1, and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("query: at %d: %s", e.Offset+1, e.Reason)
}

// Unwrap returns [ErrInvalid].
func (e *SyntaxError) Unwrap() error { return ErrInvalid }

// Parse reads the text form of a condition:
//
//	level:error service:orders sku:A-1 "connection reset" -retry duration_ms:>500 /time(d )?out/
//
// It is what [Expr.String] writes. The grammar, in which blanks separate what
// stands side by side:
//
//	or         = and { "OR" and }
//	and        = not { [ "AND" ] not }
//	not        = [ "-" | "NOT" ] ( "(" or ")" | term )
//	term       = [ name ":" ] comparison
//	comparison = value                    equal; without a name: the message contains it, whatever the case
//	           | value "*" | "*"          begins with; is there at all
//	           | "~" value                contains
//	           | "/" pattern "/" [ "i" ]  a regular expression matches, "i" whatever the case
//	           | "<" value | "<=" value | ">" value | ">=" value | value ".." value   numbers
//	           | "(" { value } ")"        one of
//	value      = word | quoted [ "i" ]    "i": whatever the case
//
// A name is a fixed key (level, service, run and the others that [Engine.Facets]
// knows, and message) or a path under the details; "details." before a path makes
// it one in any case. Names and values that hold blanks, quotes, parentheses or
// colons are quoted, with a backslash before a quote or a backslash; in a pattern
// a backslash stands before a slash. AND, OR and NOT are words in capitals. A level
// or a kind that is not quoted must be one, in any case, and level:>=warn asks for
// those from warn up. The empty text matches everything.
//
// It returns a [*SyntaxError], or an [*InvalidError] for what no expression may
// hold. Both wrap [ErrInvalid].
func Parse(text string) (Expr, error) {
	if len(text) > maxExprText {
		return Expr{}, &SyntaxError{maxExprText, "the text is too long"}
	}
	if !utf8.ValidString(text) {
		return Expr{}, &SyntaxError{0, "the text is not UTF-8"}
	}
	p := parser{text: text}
	p.blanks()
	if p.at == len(text) {
		return Expr{}, nil
	}
	e, err := p.or(1)
	if err == nil && p.at < len(text) {
		err = p.wrong("an expression ends before this")
	}
	if err == nil {
		err = e.validate()
	}
	if err != nil {
		return Expr{}, err
	}
	return e, nil
}

const maxExprText = 64 << 10

type parser struct {
	text string
	at   int
	key  string // the fixed key that a comparison is read for, "" for none
}

func (p *parser) wrong(format string, args ...any) error {
	return &SyntaxError{p.at, fmt.Sprintf(format, args...)}
}

func (p *parser) blanks() {
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += n
	}
}

// take takes s if it is next.
func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// word takes a keyword, which must end there.
func (p *parser) word(s string) bool {
	rest, ok := strings.CutPrefix(p.text[p.at:], s)
	if !ok {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(rest); rest != "" && !unicode.IsSpace(r) && r != '(' && r != ')' {
		return false
	}
	p.at += len(s)
	p.blanks()
	return true
}

func (p *parser) or(depth int) (Expr, error) {
	if depth > MaxExprDepth {
		return Expr{}, p.wrong("nested deeper than %d", MaxExprDepth)
	}
	var args []Expr
	for {
		e, err := p.and(depth)
		if err != nil {
			return e, err
		}
		args = append(args, e)
		if p.blanks(); !p.word("OR") {
			break
		}
	}
	if len(args) == 1 {
		return args[0], nil
	}
	return Or(args...), nil
}

func (p *parser) and(depth int) (Expr, error) {
	var args []Expr
	for {
		e, err := p.not(depth)
		if err != nil {
			return e, err
		}
		args = append(args, e)
		p.blanks()
		if p.word("AND") {
			continue
		}
		at := p.at
		if p.at == len(p.text) || p.text[p.at] == ')' || p.word("OR") {
			p.at = at
			break
		}
	}
	if len(args) == 1 {
		return args[0], nil
	}
	return And(args...), nil
}

func (p *parser) not(depth int) (Expr, error) {
	if depth > MaxExprDepth {
		return Expr{}, p.wrong("nested deeper than %d", MaxExprDepth)
	}
	if p.take("-") || p.word("NOT") {
		e, err := p.not(depth + 1)
		return Not(e), err
	}
	if !p.take("(") {
		return p.term()
	}
	if p.blanks(); p.take(")") {
		return Expr{Op: OpOr}, nil // nothing matches
	}
	e, err := p.or(depth + 1)
	if err == nil && !p.take(")") {
		err = p.wrong("a parenthesis is missing")
	}
	return e, err
}

// term reads one comparison.
func (p *parser) term() (Expr, error) {
	from := p.at
	if !strings.HasPrefix(p.text[p.at:], "/") {
		name, quoted, err := p.plain(":")
		if err != nil {
			return Expr{}, err
		}
		if p.take(":") {
			if name == "" {
				p.at = from
				return Expr{}, p.wrong("a name is missing")
			}
			key := !quoted && knownKey(name)
			if key {
				p.key = name
			}
			e, err := p.comparison()
			e.Field, e.Key, p.key = name, key, ""
			if path, ok := strings.CutPrefix(name, detailsPrefix); ok && path != "" {
				e.Field, e.Key = path, false
			}
			if e.Op == OpAnd { // a range
				for i := range e.Args {
					e.Args[i].Field, e.Args[i].Key = e.Field, e.Key
				}
				e.Field, e.Key = "", false
			}
			return e, err
		}
		if name == "" && !quoted {
			return Expr{}, p.wrong("a word is missing")
		}
		if quoted {
			p.take("i")
		}
		return Expr{Op: OpContains, Field: "message", Key: true, Value: name, Fold: true}, nil
	}
	e, err := p.pattern()
	e.Field, e.Key = "message", true
	return e, err
}

// plain takes a word, or a quoted text. A word ends at a blank, a quote, a
// parenthesis or one of stop.
func (p *parser) plain(stop string) (text string, quoted bool, err error) {
	if p.take(`"`) {
		var b strings.Builder
		for p.at < len(p.text) {
			c := p.text[p.at]
			p.at++
			switch {
			case c == '"':
				return b.String(), true, nil
			case c == '\\' && p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\\'):
				b.WriteByte(p.text[p.at])
				p.at++
			default:
				b.WriteByte(c)
			}
		}
		return "", true, p.wrong("a quote is missing")
	}
	from := p.at
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if unicode.IsSpace(r) || strings.ContainsRune(`"()`, r) || strings.ContainsRune(stop, r) {
			break
		}
		p.at += n
	}
	return p.text[from:p.at], false, nil
}

// value takes a word or a quoted text, and whether case does not matter.
func (p *parser) value() (text string, quoted, fold bool, err error) {
	text, quoted, err = p.plain("")
	if err == nil && !quoted && text == "" {
		err = p.wrong("a value is missing")
	}
	if quoted {
		fold = p.take("i")
	}
	return text, quoted, fold, err
}

// comparison reads what stands behind a name.
func (p *parser) comparison() (Expr, error) {
	for _, op := range [...]struct {
		text string
		op   Op
	}{{"<=", OpAtMost}, {"<", OpLess}, {">=", OpAtLeast}, {">", OpMore}} {
		if p.take(op.text) {
			from := p.at
			text, quoted, _, err := p.value()
			if p.key == "level" && err == nil && !quoted {
				return p.levels(op.op, text)
			}
			if _, ok := parseNumber(text); err == nil && !ok {
				p.at = from
				err = p.wrong("%q is no number, and %s compares numbers alone", text, op.text)
			}
			return Expr{Op: op.op, Value: text}, err
		}
	}
	switch {
	case strings.HasPrefix(p.text[p.at:], "/"):
		return p.pattern()
	case p.take("("):
		return p.list()
	case p.take("~"):
		text, _, fold, err := p.value()
		return Expr{Op: OpContains, Value: text, Fold: fold}, err
	}
	text, quoted, fold, err := p.value()
	if err != nil {
		return Expr{}, err
	}
	if quoted {
		if p.take("*") {
			return Expr{Op: OpPrefix, Value: text, Fold: fold}, nil
		}
		return Expr{Op: OpEq, Value: text, Fold: fold}, nil
	}
	if low, high, is := strings.Cut(text, ".."); is {
		_, lowIs := parseNumber(low)
		_, highIs := parseNumber(high)
		if lowIs && highIs {
			return And(Expr{Op: OpAtLeast, Value: low}, Expr{Op: OpAtMost, Value: high}), nil
		}
	}
	if text == "*" {
		return Expr{Op: OpExists}, nil
	}
	if prefix, is := strings.CutSuffix(text, "*"); is {
		return Expr{Op: OpPrefix, Value: prefix}, nil
	}
	text, err = p.known(text)
	return Expr{Op: OpEq, Value: text}, err
}

// levels returns the levels that lie so to one.
func (p *parser) levels(op Op, word string) (Expr, error) {
	word, err := p.known(word)
	if err != nil {
		return Expr{}, err
	}
	than, _ := levels.Parse(word)
	e := Expr{Op: OpIn}
	for _, l := range allLevels {
		if op == OpLess && l < than || op == OpAtMost && l <= than || op == OpAtLeast && l >= than || op == OpMore && l > than {
			e.Values = append(e.Values, levels.Name(l))
		}
	}
	return e, nil
}

// known returns a word as the values of p.key are written, if that is a key of which
// there are only some: WARNING is warn. A word that no record can have is an error, for
// who mistypes it would take it that there is nothing.
func (p *parser) known(word string) (string, error) {
	switch p.key {
	case "level":
		level, err := levels.Parse(word)
		if err != nil {
			p.at -= len(word)
			return word, p.wrong("%q is no level: there are trace, debug, info, warn, error and fatal", word)
		}
		return levels.Name(level), nil
	case "kind":
		if kind := Kind(strings.ToLower(word)); kind.known() {
			return string(kind), nil
		}
		p.at -= len(word)
		return word, p.wrong("%q is no kind: there are line, capture, run, step, event and access", word)
	}
	return word, nil
}

// list reads the values of one of.
func (p *parser) list() (Expr, error) {
	e := Expr{Op: OpIn}
	for {
		if p.blanks(); p.take(")") {
			return e, nil
		}
		text, quoted, fold, err := p.value()
		if err == nil && !quoted {
			text, err = p.known(text)
		}
		if err != nil {
			return e, err
		}
		if len(e.Values) > 0 && fold != e.Fold {
			return e, p.wrong("one value is compared with regard to case, and another without")
		}
		e.Fold = fold
		e.Values = append(e.Values, text)
	}
}

// pattern reads a regular expression.
func (p *parser) pattern() (Expr, error) {
	from := p.at
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '/':
			return Expr{Op: OpMatch, Value: b.String(), Fold: p.take("i")}, nil
		case c == '\\' && p.at < len(p.text) && p.text[p.at] == '/':
			b.WriteByte('/')
			p.at++
		case c == '\\' && p.at < len(p.text):
			b.WriteByte(c)
			b.WriteByte(p.text[p.at])
			p.at++
		default:
			b.WriteByte(c)
		}
	}
	p.at = from
	return Expr{}, p.wrong("the slash that ends a pattern is missing")
}
