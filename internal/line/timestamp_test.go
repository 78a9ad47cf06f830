package line_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
)

// The times of lines are what package time reads them as, whatever the day of the line
// before was, and whatever byte of one is another.
func TestTimesOfLines(t *testing.T) {
	const written = "2006-01-02T15:04:05.000000000Z"
	var p line.Parser // one for all
	check := func(text string) {
		raw := []byte(fmt.Sprintf(`{"seq":12,"timestamp":%q,"level":"warn","kind":"line","server":"s","message":"of a time","details":{"sku":"A-1","order":"7"}}`, text))
		var rec line.Record
		var o line.Outline
		require.NoError(t, line.Parse(raw, &rec))
		require.NoError(t, p.Outline(raw, &o))
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			want = time.Time{}
		}
		require.True(t, want.Equal(rec.Time), "%s: %s", text, rec.Time)
		require.Equal(t, rec.Time, o.Time, text)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	day := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 3000 {
		if rnd.IntN(3) == 0 {
			day = day.AddDate(0, 0, rnd.IntN(100))
		}
		check(day.Add(time.Duration(rnd.Int64N(int64(24 * time.Hour)))).Format(written))
	}
	for _, base := range []string{"2026-11-21T02:03:04.123456789Z", "1969-12-31T23:59:59.999999999Z", "2024-02-29T00:00:00.000000000Z"} {
		check(base)
		for i := range base {
			for _, c := range "0123456789-:.TZ/ ,+" {
				check(base[:i] + string(c) + base[i+1:])
				check(base)
			}
		}
	}
	for _, text := range []string{"2026-11-21T02:03:04Z", "2026-11-21T02:03:04.5+02:00", "2026-11-21T02:03:04.1234+02:00", "2026-11-21T24:00:00.000000000Z",
		"2026-11-21T23:60:00.000000000Z", "2026-11-21T23:59:60.000000000Z", "2025-02-29T00:00:00.000000000Z", "2026-11-21T02:03:04.123456789Z"} {
		check(text)
	}
}
