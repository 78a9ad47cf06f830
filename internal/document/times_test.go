package document_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/query"
)

// The times of sub and line logs are a format of package time, for all times.
func TestTimes(t *testing.T) {
	t.Parallel()
	const format = "2006-01-02T15:04:05.999999-07:00"
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		at := time.Unix(random.Int64N(300_000_000_000)-62_200_000_000, []int64{0, 1, 999, 1000, 500_000_000, 999_999_999, random.Int64N(1e9)}[random.IntN(7)])
		require.Equal(t, at.UTC().Format(format), created(t, at))
	}
	for _, at := range []time.Time{{}, time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(12345, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(2026, 2, 28, 23, 59, 59, 999_999_999, time.FixedZone("", 3600))} {
		require.Equal(t, at.UTC().Format(format), created(t, at))
	}
}

// created returns the time of a step that began then, as its document has it.
func created(t *testing.T, at time.Time) string {
	t.Helper()
	text, err := document.AppendSubs(nil, []query.SubLog{{Started: at}})
	require.NoError(t, err)
	var documents []struct{ Created string }
	require.NoError(t, json.Unmarshal(text, &documents))
	return documents[0].Created
}
