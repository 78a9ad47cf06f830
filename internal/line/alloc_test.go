package line_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

// A call with primitive, time and error fields allocates nothing: neither the
// fields nor the entry escape.
func TestAllocations(t *testing.T) {
	for _, secrets := range []bool{false, true} {
		m := mask.New(nil)
		if secrets {
			addSecrets(t, m)
		}
		e := line.NewEncoder(line.Options{Mask: m})
		id := line.AppendIdentity(nil, &benchIdentity)
		c := e.With(nil, []zap.Field{zap.String("bound", "x")})
		buf := make([]byte, 0, 4096)
		err := errors.New("connection reset")
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			en := line.Entry{Time: testTime, Kind: line.KindLine, Identity: id, Context: c, Message: "fetched\n", Label: "x", Topic: "y"}
			fields := [...]zap.Field{
				zap.String("s", "text"), zap.Int64("i", 1<<40), zap.Uint8("u", 7), zap.Bool("b", true), zap.Float64("f", 1.0/3),
				zap.Duration("d", time.Second), zap.Time("t", testTime), zap.Error(err), line.Code("E1"), line.Topic("z"),
				zap.Namespace("n"), zap.Float32("g", 0.1), zap.NamedError("second", err),
			}
			buf = e.Append(line.AppendPrefix(buf[:0], 1), &en, fields[:])
		}))
		check(t, buf)
		var r line.Record
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = line.Parse(buf, &r) }), 2.0) // the line, and the text that has escapes
		require.Zero(t, testing.AllocsPerRun(100, func() {
			line.Field(r.Details, "n.second.message", func(string) bool { return false })
		})-1) // the text of the scalar
	}
}
