package audit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// book keeps what was acknowledged.
type book struct {
	mu    sync.Mutex
	acked map[uint64]string
	last  []byte // the newest receipt's checkpoint
	size  uint64
}

func (b *book) add(receipt audit.Receipt, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.acked == nil {
		b.acked = map[uint64]string{}
	}
	b.acked[receipt.Seq] = id
	if receipt.Seq >= b.size {
		b.size, b.last = receipt.Seq+1, receipt.Checkpoint
	}
}

// found opens what is left, checks that everything acknowledged is there and
// signed, and goes on with it.
func (b *book) found(t *testing.T, fsys *vfs.Mem, where string) {
	t.Helper()
	r, err := hosted(fsys, audit.Options{})
	require.NoError(t, err, where)
	receipt, err := flow(r, "after")
	require.NoError(t, err, where)
	require.NoError(t, r.Close(), where)
	var anchors [][]byte
	if b.last != nil {
		anchors = append(anchors, b.last)
	}
	report, err := verify(t, fsys, anchors...)
	require.NoError(t, err, where)
	require.Equal(t, receipt.Seq+1, report.Size, where)
	have := map[uint64]string{}
	p, err := audit.OpenProverFS(fsys, dir)
	require.NoError(t, err, where)
	for line, err := range p.Lines(0) {
		require.NoError(t, err, where)
		rec, err := audit.ParseRecord(line)
		require.NoError(t, err, where)
		have[rec.Seq] = rec.FlowID
	}
	require.NoError(t, p.Close(), where)
	for seq, id := range b.acked {
		require.Equal(t, id, have[seq], "%s: record %d", where, seq)
	}
}

func TestEveryCutRecovers(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	var sizes []int // the text after each commit
	for i := range 6 {
		_, err := flow(r, fmt.Sprint(i))
		require.NoError(t, err)
		sizes = append(sizes, len(content(t, mem, "audit.log")))
	}
	left := mem.Kill()
	require.NoError(t, r.Close())
	text := content(t, left, "audit.log")
	anchor := uint64(0)
	if published := content(t, left, "audit.checkpoint"); published != nil {
		p, err := audit.OpenCheckpoint(published, quick("a").list())
		require.NoError(t, err)
		anchor = p.Size
	}
	for cut := sizes[0]; cut <= len(text); cut++ {
		k := left.Kill()
		put(t, k, "audit.log", text[:cut])
		kept := 0
		for kept < len(sizes) && sizes[kept] <= cut {
			kept++
		}
		r, err := hosted(k, audit.Options{})
		if uint64(kept+1) < anchor {
			require.ErrorIs(t, err, audit.ErrDamaged, "cut at %d: below what was published", cut)
			continue
		}
		require.NoError(t, err, "cut at %d", cut)
		require.NoError(t, r.Close())
		_, err = verify(t, k)
		require.NoError(t, err, "cut at %d", cut)
		now := content(t, k, "audit.log")
		require.Equal(t, text[:sizes[kept-1]], now[:sizes[kept-1]], "cut at %d", cut)
		require.Equal(t, string(text[sizes[kept-1]:cut]), string(content(t, k, "audit.log.broken")), "cut at %d: kept for people", cut)
		recovered := strings.Contains(string(now), fmt.Sprintf(`"path":"/dropped_bytes","op":"add","after":%d}`, cut-sizes[kept-1])) ||
			strings.Contains(string(now), fmt.Sprintf(`"dropped_bytes":%d,`, cut-sizes[kept-1]))
		require.Equal(t, cut > sizes[kept-1], recovered, "cut at %d: a record says how much", cut)
	}
	t.Logf("cut at each of %d offsets of the last commits: recovered, or refused where a published checkpoint is missed", len(text)+1-sizes[0])
}

// scene is a run of a recorder: records, rotations, a hold, a change of the rule.
func scene(r *audit.Recorder, b *book, from int) (failed error) {
	for i := range 12 {
		id := fmt.Sprintf("f%d", from+i)
		receipt, err := flow(r, id)
		if err == nil {
			b.add(receipt, id)
		}
		failed = errors.Join(failed, err)
		if i%4 == 3 {
			failed = errors.Join(failed, r.Rotate(ctx()))
		}
	}
	return failed
}

// TestEveryFault fails each operation on the disk in turn, in four ways. What is
// acknowledged is there afterwards, whatever failed, also after a power cut.
func TestEveryFault(t *testing.T) {
	count := func() int64 {
		mem := vfs.NewMem()
		var rec vfs.Recorder
		b := &book{}
		r, err := hosted(vfs.Inject(mem, rec.Hook), audit.Options{})
		require.NoError(t, err)
		require.NoError(t, scene(r, b, 0))
		require.NoError(t, r.Close())
		return int64(len(rec.Ops()))
	}
	total := count()
	require.Greater(t, total, int64(90))
	ways := map[string]struct {
		err     error
		forever bool
	}{
		"once":       {syscall.EIO, false},
		"for good":   {syscall.ENOSPC, true},
		"short":      {vfs.Short(10, syscall.ENOSPC), false},
		"lost sync":  {vfs.Lost(syscall.EIO), false},
		"and it did": {vfs.After(syscall.EIO), false},
	}
	step := int64(stride)
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := 0
			for n := int64(1); n <= total+10; n += step {
				mem := vfs.NewMem()
				b := &book{}
				fsys := vfs.Inject(mem, vfs.NthFails(n, way.err, way.forever))
				where := fmt.Sprintf("%s, operation %d", name, n)
				r, err := hosted(fsys, audit.Options{OnProblem: func(error) {}})
				if err == nil {
					if scene(r, b, 0) != nil {
						faults++
						if r.Reopen(ctx()) == nil { // it goes on in the same process
							err := scene(r, b, 100)
							require.True(t, err == nil || way.forever, "%s: %v", where, err)
						}
					}
					_ = r.Close()
				}
				b.found(t, mem.Kill(), where+", killed")
				seed := uint64(n)
				cut := mem.Crash(rand.New(rand.NewPCG(seed, 1)), vfs.CrashOptions{})
				b.found(t, cut, where+", power cut")
			}
			t.Logf("%s: %d of %d faults reached a caller", name, faults, total)
		})
	}
}

// TestPowerCuts cuts the power after every operation that changes the disk.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		powerCuts(t, seed)
	}
}

func powerCuts(t *testing.T, seed uint64) {
	mem := vfs.NewMem()
	b := &book{}
	type moment struct {
		fs    *vfs.Mem
		acked map[uint64]string
		last  []byte
		size  uint64
		where string
	}
	var mu sync.Mutex
	var moments []moment
	rng := rand.New(rand.NewPCG(seed, 2))
	take := func(op vfs.Op, when string) {
		if !op.Writes() {
			return
		}
		b.mu.Lock()
		acked := make(map[uint64]string, len(b.acked))
		for k, v := range b.acked {
			acked[k] = v
		}
		last, size := b.last, b.size
		b.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		for range 3 {
			cut := mem.Crash(rng, vfs.CrashOptions{})
			moments = append(moments, moment{cut, acked, last, size, when + " " + op.String()})
		}
		moments = append(moments, moment{mem.Kill(), acked, last, size, "killed " + when + " " + op.String()})
	}
	fsys := vfs.Wrap(mem, vfs.Hooks{
		Before: func(op vfs.Op) error { take(op, "before"); return nil },
		After:  func(op vfs.Op, _ error) { take(op, "after") },
	})
	r, err := hosted(fsys, audit.Options{})
	require.NoError(t, err)
	require.NoError(t, scene(r, b, 0))
	require.NoError(t, r.Close())
	for _, m := range moments {
		was := &book{acked: m.acked, last: m.last, size: m.size}
		was.found(t, m.fs, fmt.Sprintf("seed %d: %s", seed, m.where))
	}
	t.Logf("%d power cuts and kills", len(moments))
}

func TestPoisoned(t *testing.T) {
	mem := vfs.NewMem()
	var fail atomic.Bool
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if fail.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "audit.log") {
			return vfs.Lost(syscall.EIO)
		}
		return nil
	})
	var problems []error
	r, err := hosted(fsys, audit.Options{MaxValueBytes: 16_384, OnProblem: func(err error) { problems = append(problems, err) }})
	require.NoError(t, err)
	_, err = flow(r, "one")
	require.NoError(t, err)
	fail.Store(true)
	// Longer than a few pages: the next write would make a shared one dirty again.
	long := map[string]string{}
	for i := range 20 {
		long[fmt.Sprint(i)] = strings.Repeat("x", 1500)
	}
	_, err = r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, FlowID: "two", Before: map[string]string{}, After: long})
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorIs(t, err, syscall.EIO)
	fail.Store(false)
	_, err = flow(r, "three")
	require.ErrorIs(t, err, audit.ErrUnavailable, "the disk works, and what it has is not known")
	require.Len(t, problems, 1)
	require.NoError(t, r.Reopen(t.Context()))
	receipt, err := flow(r, "four")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	cut := mem.Crash(nil, vfs.CrashOptions{}) // nothing unsynced survives
	have := flows(content(t, cut, "audit.log"))
	require.Equal(t, "one", have[1])
	require.Equal(t, "four", have[receipt.Seq])
	_, err = verify(t, cut)
	require.NoError(t, err)
}

// After a kill the trail goes on in its file where the disk has all of it: a copy would need
// time and room.
func TestKilledTrailIsNotCopied(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	_, err = flow(r, "one")
	require.NoError(t, err)
	killed := mem.Kill()
	require.NoError(t, r.Close())
	fsys := vfs.Inject(killed, func(op vfs.Op) error {
		if op.Kind == vfs.OpOpen && strings.HasSuffix(op.Name, "audit.log.next") {
			return syscall.ENOSPC
		}
		return nil
	})
	r, err = hosted(fsys, audit.Options{})
	require.NoError(t, err)
	receipt, err := flow(r, "two")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, "two", flows(content(t, killed.Crash(nil, vfs.CrashOptions{}), "audit.log"))[receipt.Seq])
}

// A trail that a full disk kept from being opened says so in one sentence.
func TestOpenOnFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	_, err = flow(r, "before")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	fsys := vfs.Inject(mem, vfs.Matching(vfs.Kinds(vfs.OpWriteAt), func(vfs.Op) error { return syscall.ENOSPC }))
	r, err = audit.OpenHosted(dir, &audit.Options{Signer: quick("a"), Verifiers: quick("a").list()}, audit.Host{FS: fsys})
	require.ErrorIs(t, err, syscall.ENOSPC)
	for range 2 {
		_, err = flow(r, "one")
		require.ErrorIs(t, err, audit.ErrUnavailable)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Equal(t, 1, strings.Count(err.Error(), audit.ErrUnavailable.Error()), "%v", err)
	}
	require.NoError(t, r.Close())
}

func TestBestEffort(t *testing.T) {
	mem := vfs.NewMem()
	var broken atomic.Bool
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if broken.Load() && op.Kind == vfs.OpWriteAt {
			return syscall.ENOSPC
		}
		return nil
	})
	r, err := hosted(fsys, audit.Options{BestEffort: true})
	require.NoError(t, err)
	broken.Store(true)
	receipt, err := flow(r, "lost")
	require.NoError(t, err)
	require.Nil(t, receipt.Checkpoint)
	ran := false
	require.NoError(t, r.Do(t.Context(), audit.Entry{Event: audit.FlowStarted}, func() error { ran = true; return nil }))
	require.True(t, ran)
	require.EqualValues(t, 3, r.Dropped())
	require.ErrorIs(t, r.Close(), audit.ErrUnavailable)
}
