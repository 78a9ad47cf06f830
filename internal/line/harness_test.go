package line_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

var testTime = time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.UTC)

// encode encodes an entry, and checks what holds for every line: it is valid, one
// line, short enough, shows nothing that a terminal would obey, and reads back.
func encode(t testing.TB, e *line.Encoder, en *line.Entry, fields ...zap.Field) (raw []byte, r line.Record) {
	t.Helper()
	raw = e.Append(line.AppendPrefix(nil, 7), en, fields)
	check(t, raw)
	require.NoError(t, line.Parse(raw, &r), "%.2000s", raw)
	require.Equal(t, uint64(7), r.Seq)
	return raw, r
}

func check(t testing.TB, raw []byte) {
	t.Helper()
	require.LessOrEqual(t, len(raw), line.MaxLine)
	require.True(t, json.Valid(raw), "%.2000s", raw)
	require.True(t, utf8.Valid(raw))
	for _, c := range string(raw) {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || c > 0x2000 && strings.ContainsRune("\u2028\u2029\u202e\u2066\ufeff", c) {
			require.Fail(t, "not escaped", "%U in %.2000s", c, raw)
		}
	}
}

// details encodes fields and returns what stands under details.
func details(t testing.TB, fields ...zap.Field) string {
	t.Helper()
	return detailsOf(t, line.Options{}, fields...)
}

func detailsOf(t testing.TB, o line.Options, fields ...zap.Field) string {
	t.Helper()
	_, r := encode(t, line.NewEncoder(o), &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m"}, fields...)
	return string(r.Details)
}

func masker(t testing.TB, secrets ...string) *mask.Masker {
	t.Helper()
	m := mask.New(nil)
	for _, s := range secrets {
		require.NoError(t, m.AddSecret(s))
	}
	return m
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
