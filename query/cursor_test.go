package query

import (
	"encoding/base64"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCursor(t *testing.T) {
	for _, c := range []cursor{
		{kind: cursorRecords, past: 1},
		{kind: cursorRuns, oldest: true, past: 48213, asOf: 50000},
		{kind: cursorSteps, past: math.MaxUint64, asOf: math.MaxUint64},
	} {
		text := c.encode()
		require.LessOrEqual(t, len(text), maxCursorText)
		got, err := parseCursor(text, c.kind)
		require.NoError(t, err)
		require.Equal(t, c, got)
		_, err = parseCursor(text, c.kind%3+1)
		require.ErrorIs(t, err, ErrCursor)
		for i := range text {
			changed := []byte(text)
			changed[i] ^= 1
			_, err := parseCursor(string(changed), c.kind)
			require.ErrorIs(t, err, ErrCursor, "character %d", i)
		}
	}
	t.Run("its text is kept by callers, so it must not change", func(t *testing.T) {
		require.Equal(t, "AQIB1fgC0IYDMKB5SQ", cursor{kind: cursorRuns, oldest: true, past: 48213, asOf: 50000}.encode())
	})
	t.Run("another version", func(t *testing.T) {
		b, err := base64.RawURLEncoding.DecodeString(cursor{kind: cursorRecords, past: 1}.encode())
		require.NoError(t, err)
		b[0] = 2
		_, err = parseCursor(base64.RawURLEncoding.EncodeToString(b), cursorRecords)
		require.ErrorContains(t, err, "another version")
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("AQIB1fgC0IYDMKB5SQ")
	f.Add(cursor{kind: cursorRecords, past: math.MaxUint64, asOf: 1}.encode())
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []cursorKind{cursorRecords, cursorRuns, cursorSteps} {
			c, err := parseCursor(text, kind)
			if err != nil {
				require.ErrorIs(t, err, ErrCursor)
				continue
			}
			require.Equal(t, text, c.encode(), "one text for one cursor")
			require.Equal(t, kind, c.kind)
			require.NotZero(t, c.past)
		}
	})
}
