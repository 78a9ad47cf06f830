package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// weather cuts the power at some operations, and has the system write back a
// part of what is not synced now and then.
type weather struct {
	mem    *vfs.Mem
	book   *ledger
	chance float64 // of a cut at an operation
	kills  float64 // of a kill in the place of a cut
	most   int     // scenes

	mu     sync.Mutex
	rng    *rand.Rand
	scenes []cut
}

// cut is what a power cut left, or a kill.
type cut struct {
	scene
	killed bool
	inRing int64
}

func (w *weather) hooks() vfs.Hooks {
	strike := func(op vfs.Op, when string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !op.Writes() {
			return
		}
		if w.rng.IntN(12) == 0 {
			w.mem.WriteBack(w.rng)
		}
		if w.rng.Float64() < w.chance {
			w.strike(fmt.Sprintf("%s %v", when, op))
		}
	}
	return vfs.Hooks{
		Before: func(op vfs.Op) error { strike(op, "before"); return nil },
		After:  func(op vfs.Op, _ error) { strike(op, "after") },
	}
}

func (w *weather) strike(where string) {
	if len(w.scenes) >= w.most {
		return
	}
	waiting := inRing(w.mem)
	if w.rng.Float64() < w.kills {
		fsys, book := w.book.moment(w.mem.Kill)
		w.scenes = append(w.scenes, cut{scene{fsys, book, "killed " + where}, true, waiting})
		return
	}
	o := vfs.CrashOptions{Ordered: w.rng.IntN(2) == 0, WholePages: w.rng.IntN(2) == 0}
	fsys, book := w.book.moment(func() *vfs.Mem { return w.mem.Crash(w.rng, o) })
	w.scenes = append(w.scenes, cut{scene{fsys, book, fmt.Sprintf("cut (%+v) %s", o, where)}, false, waiting})
}

// still strikes between two operations.
func (w *weather) still() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rng.Float64() < w.chance {
		w.strike("between operations")
	}
}

// The power is cut at any moment, also while the folder is recovered. Nothing is
// lost of what was synced, nothing is there twice, no line is garbage and no
// number is given again.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	var figure tally
	inBubbles(t, sized(12, 520), func(t *testing.T, n int) {
		rng := rand.New(rand.NewPCG(uint64(n), 4))
		s := anySetup(rng)
		mem, book := vfs.NewMem(), &ledger{}
		w := &weather{mem: mem, book: book, chance: 0.06, kills: 0.25, most: 10, rng: fork(rng)}
		j, err := journal.Open(dir, s.options(vfs.Wrap(mem, w.hooks()), "boot"))
		require.NoError(t, err)
		defer func() { j.Close() }() // not at the end of the test: a journal holds its ring in memory
		who := &session{t: t, j: j, rng: rand.New(rand.NewPCG(uint64(n), 5)), book: book, burst: 12}
		for range 30 {
			who.step()
			w.still()
		}
		require.NoError(t, j.Close())
		require.Empty(t, who.errs)
		w.mu.Lock()
		w.strike("after closing")
		w.mu.Unlock()
		for i, c := range w.scenes {
			w.scenes[i] = cut{}
			afterCut(t, c, s, "boot", rng, &figure, 0)
		}
	})
	t.Logf("%d cuts: 0 lost, 0 repeated, 0 torn, 0 numbers given again; %d of them in recoveries, %d of those from a kill",
		figure.of("cuts"), figure.of("in recovery"), figure.of("in recovery from a kill"))
	t.Logf("%.1f records in the ring at a cut or kill on average; %d recoveries replayed %d records, %d put aside %d bytes; %d records lost that were never synced",
		float64(figure.of("in ring"))/float64(figure.of("cuts")+figure.of("kills")), figure.of("replaying"), figure.of("replayed"),
		figure.of("putting aside"), figure.of("put aside"), figure.of("unsynced lost"))
}

// afterCut opens what a cut left, and cuts the power again on the way.
func afterCut(t *testing.T, c cut, s setup, boot string, rng *rand.Rand, figure *tally, depth int) {
	note := fmt.Sprintf("%v, %s", s, c.where)
	must := synced
	figure.add("in ring", c.inRing)
	if c.killed {
		must = accepted
		figure.add("kills", 1)
	} else {
		boot += "'"
		figure.add("cuts", 1)
	}
	w := &weather{mem: c.fs, book: c.book, rng: fork(rng)}
	if depth < 3 && (c.killed || rng.IntN(6) == 0) {
		w.chance, w.kills, w.most = 0.1, 0.3, 3
	}
	j, err := journal.Open(dir, s.options(vfs.Wrap(c.fs, w.hooks()), boot))
	require.NoError(t, err, note)
	defer func() { j.Close() }() // not at the end of the test: a journal holds its ring in memory
	found := check(t, j, s, c.book, must, note)
	r := j.Recovery()
	require.Zero(t, r.Foreign, "%s: garbage", note)
	figure.add("replayed", r.Replayed)
	figure.add("put aside", r.PutAside)
	if r.Replayed > 0 {
		figure.add("replaying", 1)
	}
	if r.PutAside > 0 {
		figure.add("putting aside", 1)
	}
	if rng.IntN(3) == 0 && depth < 3 {
		// Life goes on, and what was found may be lost again as far as it was not
		// synced.
		w.stop()
		next := &weather{mem: c.fs, book: c.book.copy(), chance: 0.05, kills: 0.3, most: 2, rng: fork(rng)}
		next.book.settle(s, found)
		who := &session{t: t, j: j, rng: fork(rng), book: next.book, burst: 12}
		for range 8 {
			who.step()
			next.still()
		}
		for _, again := range next.scenes {
			again.where = c.where + ", then some steps, " + again.where
			afterCut(t, again, s, boot, rng, figure, depth+1)
		}
	}
	require.NoError(t, j.Close(), note)
	for _, again := range w.scenes {
		if !again.killed {
			figure.add("in recovery", 1)
			if c.killed {
				figure.add("in recovery from a kill", 1)
			}
		} else if must == synced {
			// What a kill keeps is what the cut had left.
			again.book.lower()
		}
		again.where = c.where + ", then " + again.where
		afterCut(t, again, s, boot, rng, figure, depth+1)
	}
}

// stop leaves out what comes.
func (w *weather) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chance = 0
}

// lower takes back what was accepted and not synced: a power cut came between.
func (l *ledger) lower() {
	for _, list := range l.logs {
		for i := range list {
			if list[i].fate == accepted {
				list[i].fate = pending
			}
		}
	}
}
