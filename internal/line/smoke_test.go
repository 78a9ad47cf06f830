package line_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/line"
)

func TestSmoke(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	id := line.AppendIdentity(nil, &line.Identity{Server: "edge-1", Run: "r1", Attempt: 2}, nil)
	b := line.AppendPrefix(nil, 48213)
	now := time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.UTC)
	c := e.With(nil, []zap.Field{zap.String("b", "c"), zap.Namespace("n")})
	b = e.Append(b, &line.Entry{Time: now, Kind: line.KindLine, Identity: id, Context: c, Message: "hi\n"},
		[]zap.Field{zap.Int("rows", 42), zap.Float64("f", 12.5), zap.Error(errors.New("x")), line.Code("E1"), zap.Duration("d", 1500*time.Millisecond)})
	require.True(t, json.Valid(b), string(b))
	var r line.Record
	require.NoError(t, line.Parse(b, &r))
	require.Equal(t, "E1", r.ErrorCode)
	require.Equal(t, now, r.Time)
	t.Log(string(b))
}
