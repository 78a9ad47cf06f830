package query_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

func word(s string) query.Expr {
	return query.OnKey(query.Folded(query.Contains("message", s)))
}

func TestParse(t *testing.T) {
	f := func(text string, want query.Expr) {
		t.Helper()
		got, err := query.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := query.Parse(got.String())
		require.NoError(t, err, got.String())
		require.Equal(t, want, again, got.String())
	}
	key := func(name, value string) query.Expr { return query.OnKey(query.Eq(name, value)) }
	f("", query.Expr{})
	f(" \t ", query.Expr{})
	f("timeout", word("timeout"))
	f(`"connection reset"`, word("connection reset"))
	f("level:error", key("level", "error"))
	f("level:WARNING", key("level", "warn"))
	f("level:(Error fatal)", query.OnKey(query.In("level", "error", "fatal")))
	f("level:>=warn", query.OnKey(query.In("level", "warn", "error", "fatal")))
	f("level:>Error", query.OnKey(query.In("level", "fatal")))
	f("level:<info", query.OnKey(query.In("level", "trace", "debug")))
	f("level:<=trace", query.OnKey(query.In("level", "trace")))
	f("level:>fatal", query.OnKey(query.In("level")))
	f("level:~rr", query.OnKey(query.Contains("level", "rr")))
	f(`level:"eror"`, key("level", "eror"))
	f("kind:Capture", key("kind", "capture"))
	f("details.level:WARNING", query.Eq("level", "WARNING"))
	f("details.level:error", query.Eq("level", "error"))
	f(`"level":error`, query.Eq("level", "error"))
	f("sku:A-1", query.Eq("sku", "A-1"))
	f(`sku:"a \"b\" \\"`, query.Eq("sku", `a "b" \`))
	f(`sku:"a-1"i`, query.Folded(query.Eq("sku", "a-1")))
	f("sku:A-*", query.Prefix("sku", "A-"))
	f("sku:*", query.Exists("sku"))
	f(`sku:"*"`, query.Eq("sku", "*"))
	f("sku:~B", query.Contains("sku", "B"))
	f("sku:(A-1 A-2)", query.In("sku", "A-1", "A-2"))
	f("sku:()", query.In("sku"))
	f(`sku:/^A\/[0-9]+/i`, query.Folded(query.Match("sku", "^A/[0-9]+")))
	f("duration_ms:>500", query.Expr{Op: query.OpMore, Field: "duration_ms", Value: "500"})
	f("rows:<=-1.5e3", query.Expr{Op: query.OpAtMost, Field: "rows", Value: "-1.5e3"})
	f("rows:1..5", query.Between("rows", 1, 5))
	f("-retry", query.Not(word("retry")))
	f("NOT a OR b AND c", query.Or(query.Not(word("a")), query.And(word("b"), word("c"))))
	f("(a OR b) c", query.And(query.Or(word("a"), word("b")), word("c")))
	f("--a", query.Not(query.Not(word("a"))))
	f("()", query.Or())
	f("ORDER ANDROID NOTHING", query.And(word("ORDER"), word("ANDROID"), word("NOTHING")))
	f(`level:error service:orders sku:A-1 "connection reset" -retry duration_ms:>500 /time(d )?out/`,
		query.And(key("level", "error"), key("service", "orders"), query.Eq("sku", "A-1"), word("connection reset"), query.Not(word("retry")),
			query.Expr{Op: query.OpMore, Field: "duration_ms", Value: "500"}, query.OnKey(query.Match("message", "time(d )?out"))))
}

// What is quoted within a pattern is printed so that it is read as the same.
func TestPatternsWithQuotesArePrinted(t *testing.T) {
	for pattern, matches := range map[string]string{
		`^\Qa/b\E$`: "a/b", `^\Qa\/b\E$`: `a\/b`, `\Qa.b\`: `a.b\`, `\Qa\\/b`: `a\\/b`, `^\Q\E/$`: "/", `\\Q/`: `\Q/`, `\Q.\E/\Q\d\E`: `./\d`,
	} {
		require.Regexp(t, pattern, matches)
		again, err := query.Parse(query.Match("path", pattern).String())
		require.NoError(t, err, pattern)
		require.Regexp(t, again.Value, matches, pattern)
	}
}

func TestParseErrors(t *testing.T) {
	f := func(text string, offset int) {
		t.Helper()
		_, err := query.Parse(text)
		require.ErrorIs(t, err, query.ErrInvalid, text)
		var syntax *query.SyntaxError
		require.ErrorAs(t, err, &syntax, text)
		require.Equal(t, offset, syntax.Offset, "%s: %v", text, err)
	}
	f(`a "b`, 4)
	f("a (b", 4)
	f("a) b", 1)
	f("a OR", 4)
	f("sku:", 4)
	f(":x", 0)
	f("rows:>many", 6)
	f("/a", 0)
	f("sku:(a", 6)
	f("-", 1)
	f("level:eror", 6)
	f("level:(warn eror)", 12)
	f("kind:lines", 5)
	f("level:>=eror", 8)
	f("level:>2", 7)
	_, err := query.Parse("details.level:>=warn")
	require.EqualError(t, err, `query: at 17: "warn" is no number, and >= compares numbers alone`)
	_, err = query.Parse("level:eror")
	require.EqualError(t, err, `query: at 7: "eror" is no level: there are trace, debug, info, warn, error and fatal`)
	_, err = query.Parse("/[/")
	require.ErrorIs(t, err, query.ErrInvalid)
	var invalid *query.InvalidError
	require.True(t, errors.As(err, &invalid))
}

// FuzzParse parses anything; what is accepted says the same when it is printed
// and parsed again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`level:error "a b" -c (d OR e) f:>1 g:/h\/i/i j:(k "l"i) m:~n o:p* q:* r:1..2`, "()", "-()", `details.details.:""`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, query.ErrInvalid)
			return
		}
		printed := e.String()
		again, err := query.Parse(printed)
		require.NoError(t, err, printed)
		require.Equal(t, printed, again.String())
	})
}

func ExampleParse() {
	e, err := query.Parse(`service:orders sku:A-* -retry duration_ms:>500`)
	if err != nil {
		panic(err)
	}
	fmt.Println(e)
	_, err = query.Parse(`sku:"A-1`)
	fmt.Println(err)
	// Output:
	// service:"orders" sku:"A-"* -"retry" duration_ms:>"500"
	// query: at 9: a quote is missing
}
