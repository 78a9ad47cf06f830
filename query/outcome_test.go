package query_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
)

func TestOutcome(t *testing.T) {
	for o, c := range map[query.Outcome]struct {
		text    string
		success bool
		failure bool
	}{
		query.Running:    {"running", false, false},
		query.Succeeded:  {"succeeded", true, false},
		query.Failed:     {"failed", false, true},
		query.Cancelled:  {"cancelled", false, true},
		query.TimedOut:   {"timed_out", false, true},
		query.Terminated: {"terminated", false, true},
		query.Continued:  {"continued", true, false},
		query.Skipped:    {"skipped", true, false},
		query.Panicked:   {"panicked", false, true},
	} {
		require.Equal(t, c.text, o.String())
		require.Equal(t, c.success, o.Success(), c.text)
		require.Equal(t, c.failure, o.Failure(), c.text)
		parsed, ok := query.ParseOutcome(c.text)
		require.True(t, ok)
		require.Equal(t, o, parsed)
		text, err := json.Marshal(o)
		require.NoError(t, err)
		var again query.Outcome
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, o, again)
	}
	_, ok := query.ParseOutcome("Succeeded")
	require.False(t, ok)
	unknown := query.Outcome(99)
	require.Equal(t, "outcome(99)", unknown.String())
	_, err := unknown.MarshalText()
	require.ErrorIs(t, err, query.ErrInvalid)
	require.ErrorIs(t, unknown.UnmarshalText([]byte("none")), query.ErrInvalid)
}
