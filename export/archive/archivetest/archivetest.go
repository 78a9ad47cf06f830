// Package archivetest checks that an archive.Bucket does what its interface
// says. Whoever writes a Bucket calls [Run] in a test of their own.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/export/archive"
)

// Run runs the suite on a bucket that is empty.
func Run(t *testing.T, b archive.Bucket) {
	ctx := t.Context()
	get := func(name string) (string, error) {
		r, err := b.Get(ctx, name)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(r)
		return string(text), errors.Join(err, r.Close())
	}
	names := func(prefix string) []string {
		all := []string{}
		for o, err := range b.List(ctx, prefix) {
			require.NoError(t, err)
			require.False(t, o.Changed.IsZero())
			all = append(all, o.Name)
		}
		return all
	}
	large := strings.Repeat("0123456789", 1<<20) // more than one part of an upload
	for name, text := range map[string]string{"a/1": "one", "a/2.gz": "\x00\xff", "b/c/d": "", "a-b": "x", "large": large} {
		require.NoError(t, b.Put(ctx, name, strings.NewReader(text)))
		got, err := get(name)
		require.NoError(t, err)
		require.True(t, text == got, name)
	}
	require.Equal(t, []string{"a/1", "a/2.gz"}, names("a/"))
	require.Equal(t, []string{"a-b", "a/1", "a/2.gz", "b/c/d", "large"}, names(""), "sorted by name")
	require.Empty(t, names("nothing"))
	for _, name := range []string{"b", "b/c", "a/1/2"} { // the beginning of a name, and one that goes on behind its end
		_, err := get(name)
		require.ErrorIs(t, err, archive.ErrNotFound, name)
		require.NoError(t, b.Delete(ctx, name), name)
	}
	require.Len(t, names(""), 5)
	for o, err := range b.List(ctx, "") {
		require.NoError(t, err)
		require.NotEmpty(t, o.Name)
		break // a list may be left early
	}

	require.NoError(t, b.Put(ctx, "a/1", strings.NewReader("another")))
	got, err := get("a/1")
	require.NoError(t, err)
	require.Equal(t, "another", got)

	// What is cut off says io.ErrUnexpectedEOF, which is no end.
	for _, broken := range []error{errors.New("broken"), io.ErrUnexpectedEOF, fmt.Errorf("broken: %w", io.EOF)} {
		err = b.Put(ctx, "a/1", io.MultiReader(bytes.NewReader(make([]byte, 100_000)), failing{broken}))
		require.ErrorIs(t, err, broken)
		require.ErrorIs(t, b.Put(ctx, "new", failing{broken}), broken)
		got, err = get("a/1")
		require.NoError(t, err)
		require.Equal(t, "another", got, "an object is there whole, or as it was")
		require.Equal(t, []string{}, names("new"))
	}

	require.NoError(t, b.Delete(ctx, "a/1"))
	require.NoError(t, b.Delete(ctx, "a/1"), "twice is fine")
	_, err = get("a/1")
	require.ErrorIs(t, err, archive.ErrNotFound)
	require.Equal(t, []string{"a/2.gz"}, names("a/"))

	for _, name := range []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "../a", "a/./b", "a\x00", `a\b`, strings.Repeat("a", 1025)} {
		require.ErrorIs(t, b.Put(ctx, name, strings.NewReader("")), archive.ErrName, "%q", name)
		_, err := get(name)
		require.ErrorIs(t, err, archive.ErrName, "%q", name)
		require.ErrorIs(t, b.Delete(ctx, name), archive.ErrName, "%q", name)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, b.Put(ended, "late", strings.NewReader("")))
	require.Empty(t, names("late"))
}

// failing is a reader of an error.
type failing struct{ err error }

// Read returns the error.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
