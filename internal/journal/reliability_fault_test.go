package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// ways are how a disk fails.
var ways = []struct {
	name    string
	forever bool
	fail    func(op vfs.Op) error
}{
	{"once", false, func(vfs.Op) error { return syscall.EIO }},
	{"once, half of it done", false, func(op vfs.Op) error { return vfs.Short(op.Size/2, syscall.ENOSPC) }},
	{"once, all of it done", false, func(vfs.Op) error { return vfs.After(syscall.EIO) }},
	{"once, and the pages are gone", false, func(vfs.Op) error { return vfs.Lost(syscall.EIO) }},
	{"for good", true, func(vfs.Op) error { return syscall.EIO }},
	{"for good, half of it done", true, func(op vfs.Op) error { return vfs.Short(op.Size/2, syscall.ENOSPC) }},
}

// breaker fails the n-th operation and, if it is for good, all that change
// something after it, until it is mended.
type breaker struct {
	way    int
	n      int64
	calls  atomic.Int64
	mended atomic.Bool
	what   atomic.Pointer[vfs.Op]
}

func (b *breaker) hook(op vfs.Op) error {
	if op.Kind == vfs.OpLstat || b.mended.Load() {
		return nil // one every few milliseconds
	}
	c := b.calls.Add(1)
	if c == b.n {
		b.what.Store(&op)
	}
	if c == b.n || ways[b.way].forever && c > b.n && op.Writes() {
		return ways[b.way].fail(op)
	}
	return nil
}

// The n-th operation fails, in every way that disks fail. What was accepted is
// found, what was refused is not, logging resumes, and what Sync acknowledged
// outlives a power cut even so.
func TestFaults(t *testing.T) {
	t.Parallel()
	var figure tally
	stride, rounds := 23, 1
	switch {
	case *reliability:
		stride, rounds = 1, 3
	case underRace:
		stride = 101
	}
	tries := rounds * 2 * len(ways) * 420 / stride
	inBubbles(t, tries, func(t *testing.T, try int) {
		round := try % (2 * rounds)
		way := try / (2 * rounds) % len(ways)
		n := int64(try/(2*rounds*len(ways)))*int64(stride) + 1 + int64(try)*7%int64(stride)
		rng := rand.New(rand.NewPCG(uint64(round), 6))
		s := anySetup(rng)
		s.mode = journal.Mode(round % 2)
		b := &breaker{way: way, n: n}
		mem, book := vfs.NewMem(), &ledger{}
		note := fmt.Sprintf("%v, %s, operation %d", s, ways[way].name, n)
		defer func() {
			if op := b.what.Load(); t.Failed() && op != nil {
				t.Logf("%s: %v", note, op)
			}
		}()
		var mu sync.Mutex
		var problems []error
		o := s.options(vfs.Inject(mem, b.hook), "one")
		o.OnProblem = func(err error) {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, err)
		}
		j, err := journal.Open(dir, o)
		for i := 0; err != nil; i++ {
			require.Less(t, i, 5, note)
			if i == 3 {
				b.mended.Store(true)
			}
			j, err = journal.Open(dir, o)
		}
		defer func() { j.Close() }() // not at the end of the test: a journal holds its ring in memory
		who := &session{t: t, j: j, rng: fork(rng), book: book, burst: 6}
		for range 30 {
			who.step()
		}
		if b.what.Load() == nil && !b.mended.Load() {
			return // there are not so many operations
		}
		b.mended.Store(true)
		<-time.After(3 * time.Second) // for what is tried again later
		require.NoError(t, who.say("user", 10), "%s: logging resumes", note)
		require.NoError(t, who.say("email", 10), "%s: logging resumes", note)
		// Where a deletion is not told of, the next oldest file goes in its place.
		s.failing = ways[way].name == "once, all of it done"
		check(t, j, s, book, accepted, note+", alive")
		killed := mem.Kill()
		g, _ := reopen(t, killed, s, "one", book, accepted, note+", killed")
		require.NoError(t, g.Close())
		who.sync()
		s.failing = true
		crashed := mem.Crash(rng, vfs.CrashOptions{})
		g, _ = reopen(t, crashed, s, "two", book, synced, note+", and the power cut")
		require.NoError(t, g.Close())
		_ = j.Close() // says so when a file could not be synced
		g, _ = reopen(t, mem, s, "one", book, accepted, note+", closed")
		require.NoError(t, g.Close())
		figure.add("faults", 1)
		figure.add("refused", int64(len(who.errs)))
		figure.add("at: "+b.what.Load().Kind.String()+" "+role(*b.what.Load()), 1)
	})
	t.Logf("%d faults: accepted = found, logging resumed after each; %d records refused", figure.of("faults"), figure.of("refused"))
	t.Logf("at %s", figure.table("at: "))
}
