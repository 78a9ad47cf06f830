package query_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

func TestKeywords(t *testing.T) {
	f := func(search string, want ...string) {
		t.Helper()
		require.Equal(t, want, query.Keywords(search))
	}
	f("")
	f(" \t\n")
	f("price", "price")
	f("  price  sync ", "price", "sync")
	f(`"price sync" now`, "price sync", "now")
	f(`"price sync`, "price sync")
	f(`pri"ce sy"nc`, "price sync")
	f(`"" """"`)
	f(`a" "b`, "a b")
	f("a\u00a0b\u3000c", "a", "b", "c")
}

func FuzzKeywords(f *testing.F) {
	f.Add(`a "b c" d"e`)
	f.Fuzz(func(t *testing.T, search string) {
		parts := query.Keywords(search)
		for _, part := range parts {
			require.NotEmpty(t, part)
			require.NotContains(t, part, `"`)
			require.Equal(t, []string{part}, query.Keywords(`"`+part+`"`))
		}
		if utf8.ValidString(search) && !strings.Contains(search, `"`) {
			require.ElementsMatch(t, strings.FieldsFunc(search, unicode.IsSpace), parts)
		}
	})
}

func TestExpr(t *testing.T) {
	require.Equal(t, query.Expr{Op: query.OpEq, Field: "a", Value: "1"}, query.Eq("a", "1"))
	require.Equal(t, query.Expr{Op: query.OpNot, Args: []query.Expr{{}}}, query.Not(query.Expr{}))
	require.Equal(t, query.OpAnd, query.And().Op)
	require.Equal(t, query.OpOr, query.Or().Op)
	require.Equal(t, query.OpEvery, query.Expr{}.Op)

	some := func(each func(query.Expr) query.Expr) query.Expr {
		return query.And(each(query.Eq("a", "1")), query.Not(each(query.Exists("b"))), query.Or(each(query.Prefix("c", "x")), each(query.In("d"))))
	}
	whole := some(func(e query.Expr) query.Expr { return e })
	require.Equal(t, some(query.Folded), query.Folded(whole))
	require.Equal(t, some(query.OnKey), query.OnKey(whole))
	require.Equal(t, some(func(e query.Expr) query.Expr { return e }), whole, "it stays as it was")
}
