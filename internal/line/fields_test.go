package line_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// usual is a record of what the encoder has a short way for, with a value of each
// kind that must leave it.
func usual() []zap.Field {
	return []zap.Field{
		zap.Int("n", 123456), zap.String("sku", "SKU-004711"), zap.String("a key of 16 by.", "wh-07"), zap.String("a key of 17 bytes", "x"),
		zap.Int("rows", -4999), zap.Int("", 0), zap.Int64("most", -1<<63), zap.Float64("price", 1299.9), zap.Float64("third", 1.0/3),
		zap.Bool("cached", true), zap.Bool("fresh", false), zap.Duration("took", 1234567), zap.Duration("long", -1<<63),
		zap.String("quoted\n", "a\"b"), zap.String("long", strings.Repeat("long ", 9)), zap.String("password", "p"), zap.Uint8("u", 255),
		zap.Int8("i", -8), zap.Time("at", testTime), zap.Namespace("secret"), zap.Int("hidden", 1), zap.String("too", "x"),
	}
}

const usualText = `"message":"m","details":{"n":123456,"sku":"SKU-004711","a key of 16 by.":"wh-07","a key of 17 bytes":"x",` +
	`"rows":-4999,"":0,"most":-9223372036854775808,"price":1299.9,"third":0.3333333333333333,` +
	`"cached":true,"fresh":false,"took":0.001234567,"long":-9223372036.854775808,` +
	`"quoted\n":"a\"b","long":"long long long long long long long long long ","password":"***","u":255,` +
	`"i":-8,"at":"2026-11-21T02:03:04.123456789Z","secret":{"hidden":"***","too":"***"}}}`

// A line does not depend on the room there is for it, nor on what was written
// before.
func TestRoom(t *testing.T) {
	e := line.NewEncoder(line.Options{Mask: masker(t)})
	for size := range 700 {
		raw := e.Append(append(make([]byte, 0, size), `{"seq":7,`...), &line.Entry{Time: testTime, Kind: line.KindLine, Message: "m"}, usual())
		require.True(t, strings.HasSuffix(string(raw), usualText), "%s", raw)
		check(t, raw)
	}
}

// Texts of all lengths, with each byte that must be escaped, wherever it stands.
func TestEveryByteEverywhere(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	buf := make([]byte, 0, 4096)
	for size := range 36 {
		for at := range size {
			for _, c := range []byte{0, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', '~', 0x7f, 0x80, 0x9f, 0xa0, 0xff} {
				text := []byte(strings.Repeat("~ ", 18)[:size])
				text[at] = c
				buf = e.Append(line.AppendPrefix(buf[:0], 7), &line.Entry{Time: testTime, Kind: line.KindLine, Message: string(text)},
					[]zap.Field{zap.String("k", string(text))})
				check(t, buf)
				var r line.Record
				require.NoError(t, line.Parse(buf, &r))
				require.Equal(t, valid(string(text)), r.Message)
				line.Field(r.Details, "k", func(s string) bool {
					require.Equal(t, valid(string(text)), s)
					return true
				})
			}
		}
	}
}

// A text field that carries something besides is a text field.
func TestForeignMark(t *testing.T) {
	require.Equal(t, `{"k":"v"}`, details(t, zap.Field{Key: "k", Type: zapcore.StringType, String: "v", Interface: 1}))
}

func TestTruncatedWithoutDetails(t *testing.T) {
	raw, _ := encode(t, line.NewEncoder(line.Options{}), &line.Entry{Time: testTime, Kind: line.KindLine, Truncated: true})
	require.True(t, strings.HasSuffix(string(raw), `"message":"","truncated":true}`), "%s", raw)
}

// Goroutines whose clocks differ get each its own time.
func TestConcurrentTimestamps(t *testing.T) {
	e := line.NewEncoder(line.Options{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			buf := make([]byte, 0, 256)
			for i := range 5000 {
				at := testTime.Add(time.Duration(g*7+i/3) * time.Second)
				buf = e.Append(buf[:0], &line.Entry{Time: at}, nil)
				if want := at.Format(`"timestamp":"2006-01-02T15:04:05.000000000Z"`); !strings.HasPrefix(string(buf), want) {
					require.Equal(t, want, string(buf))
				}
			}
		})
	}
	wg.Wait()
}
