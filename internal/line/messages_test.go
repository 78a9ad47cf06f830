package line_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

// told returns the code that the message of a record gets when it comes the third time.
func told(e *line.Encoder, message string, fields ...zap.Field) uint16 {
	en := line.Entry{Kind: line.KindLine, Message: message}
	for range 3 {
		e.Append(nil, &en, fields)
	}
	return en.MessageCode
}

// A message has a code where its line holds it as it is, and only then.
func TestMessages(t *testing.T) {
	t.Parallel()
	m, masker := line.NewMessages(), mask.New(nil)
	e := line.NewEncoder(line.Options{Messages: m, Mask: masker, MaxLine: line.MinLine})
	require.Zero(t, told(e, "nobody asks"))
	require.Zero(t, told(line.NewEncoder(line.Options{}), "nobody can ask"))
	m.Ask(true)
	texts := map[uint16]string{}
	for _, text := range []string{
		"connected", "a", "é \"quoted\" \\ \t\n\x00\x1b[31mred", strings.Repeat("x", 1024), "user 1", "user 2",
		"12345678 other 12345678", "12345678 OTHER 12345678",
	} {
		code := told(e, text)
		require.NotZero(t, code, text)
		require.Equal(t, text, m.Text(code))
		require.Empty(t, texts[code])
		texts[code] = text
		require.Equal(t, code, told(e, text))
	}
	require.Zero(t, told(e, ""))
	require.Zero(t, told(e, "not \xff UTF-8"))
	require.Zero(t, told(e, strings.Repeat("x", 1025)))
	long := strings.Repeat("y", 1000)
	var fields []zap.Field // as many and as long as the message, so that it is cut with them
	for i := range 40 {
		fields = append(fields, zap.String(fmt.Sprint("f", i), long))
	}
	require.Zero(t, told(e, long, fields...))
	require.NotZero(t, told(e, long))
	en := line.Entry{Kind: line.KindLine, Message: "seen once"}
	e.Append(nil, &en, nil)
	require.Zero(t, en.MessageCode, "texts that never come again are not kept")

	require.NoError(t, masker.AddSecret("hunter2"))
	require.Zero(t, told(e, "password hunter2"))
	require.Zero(t, told(e, "connected"), "secrets are not looked for in it")
	m.Ask(false)
	require.Zero(t, told(line.NewEncoder(line.Options{Messages: m}), "connected"))
}

// Messages without end do not take memory without end, and those that came first keep
// their codes.
func TestManyMessages(t *testing.T) {
	t.Parallel()
	m := line.NewMessages()
	first := m.Code("first") + m.Code("first")
	require.NotZero(t, first)
	last := uint16(0)
	for i := range 10_000 {
		text := fmt.Sprint("message ", i)
		m.Code(text)
		last = max(last, m.Code(text))
	}
	require.Equal(t, uint16(4095), last)
	m.Code("first")
	require.Equal(t, first, max(m.Code("first"), m.Code("first")))
	require.Equal(t, "first", m.Text(first))
}

// A message that comes again and again costs nothing more, whether it has a code or gets
// none.
func TestMessagesAllocations(t *testing.T) {
	m := line.NewMessages()
	again := func(text string) {
		t.Helper()
		for range 2 {
			m.Code(text)
		}
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Code(text) }), text)
	}
	again("connected")
	again("not \xff UTF-8")
	again(strings.Repeat("x", 1025))
	for i := range 10_000 {
		m.Code(fmt.Sprint("message ", i))
		m.Code(fmt.Sprint("message ", i))
	}
	require.Zero(t, m.Code("one too many"))
	again("one too many")
}

// All callers get the same codes.
func TestMessagesTogether(t *testing.T) {
	t.Parallel()
	m := line.NewMessages()
	m.Ask(true)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			e := line.NewEncoder(line.Options{Messages: m})
			for i := range 5000 {
				en := line.Entry{Kind: line.KindLine, Message: fmt.Sprint("message ", i%50)}
				e.Append(nil, &en, nil)
				if en.MessageCode != 0 && m.Text(en.MessageCode) != en.Message {
					t.Errorf("%q has the code of %q", en.Message, m.Text(en.MessageCode))
				}
			}
		})
	}
	all.Wait()
}
