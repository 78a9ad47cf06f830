package journal_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// Messages get codes from a question during a burst on, until nobody has asked for a while.
func TestMessagesAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := line.NewMessages()
		f := open(t, vfs.NewMem(), system("one"), func(o *journal.Options) { o.Messages = m })
		e := line.NewEncoder(line.Options{Messages: m})
		asked := func() bool {
			synctest.Wait()
			en := line.Entry{Kind: line.KindLine, Message: "connected"}
			for range 2 {
				e.Append(nil, &en, nil)
			}
			return en.MessageCode != 0
		}
		require.False(t, asked())
		for range 2 {
			f.IndexSoon()
			require.True(t, asked())
			time.Sleep(9 * time.Second)
			require.True(t, asked())
			time.Sleep(2 * time.Second)
			require.False(t, asked())
		}
	})
}
