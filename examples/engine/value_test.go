package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	trap := map[string]any{"$": "env.secret"}
	known := scope{
		"env":  map[string]any{"secret": "s", "trap": trap},
		"read": map[string]any{"rows": []any{map[string]any{"sku": "A-1"}, "second"}},
	}
	check := func(in, want any) {
		t.Helper()
		got, err := known.resolve(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	ref := func(to string) map[string]any { return map[string]any{"$": to} }
	check("{read.rows}", "{read.rows}")
	check(ref("read.rows.0.sku"), "A-1")
	check(ref("read.rows.1"), "second")
	check(map[string]any{"a": []any{ref("env.secret"), 1.0}}, map[string]any{"a": []any{"s", 1.0}})
	check(map[string]any{"$": "env.secret", "more": true}, map[string]any{"$": "env.secret", "more": true})
	check(ref("env.trap"), trap) // what data says is not looked at again

	for _, to := range []string{"nowhere", "read.rows.2", "read.rows.-1", "read.rows.x", "read.rows.1.sku", ""} {
		_, err := known.resolve(ref(to))
		require.Error(t, err, to)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	to, err := address("http://127.0.0.1:80/api", []any{"prices", "a/../b?x#y", 7.0}, map[string]string{"q": "a&b"})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:80/api/prices/a%2F..%2Fb%3Fx%23y/7?q=a%26b", to)
}
