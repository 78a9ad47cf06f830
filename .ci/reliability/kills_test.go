//go:build linux

package reliability

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// killsPerFolder bounds how much text a recovery has to read.
const killsPerFolder = 12

// tally is what the kills of a test come to.
type tally struct {
	kills, recovering  int // of these, before logger.Open had returned
	busy               int // with records in the ring
	modes              [2]int
	held               []int // records in the ring at each kill
	acked, found       int64
	lost, repeated     int64
	replaying          int // recoveries that replayed a record, as far as they lived to say so
	replayed, tornCuts int64
	recoveries         int
	runs               int64
	closedFiles        int           // rotated, compressed or not
	openTime           time.Duration // about how long an open took lately
}

// TestKills kills processes that log, at random moments, also while they open
// the folder that an earlier kill left, and counts what is in the text.
func TestKills(t *testing.T) {
	var sum tally
	sum.openTime = 5 * time.Millisecond
	began := time.Now()
	random := rand.New(rand.NewPCG(*seed, 1))
	for folder := 0; sum.kills < *kills; folder++ {
		killFolder(t, &sum, random, min(killsPerFolder, *kills-sum.kills))
		if t.Failed() {
			t.Fatalf("seed %d, folder %d", *seed, folder)
		}
	}
	slices.Sort(sum.held)
	at := func(percent int) int { return sum.held[(len(sum.held)-1)*percent/100] }
	fmt.Printf("kills: %d in %.0f s, %.1f a second, seed %d; mode journal %d, mode write %d; %d before the folder was open\n",
		sum.kills, time.Since(began).Seconds(), float64(sum.kills)/time.Since(began).Seconds(), *seed, sum.modes[0], sum.modes[1], sum.recovering)
	fmt.Printf("kills: %d with records in the ring; records there: median %d, 90%% %d, most %d\n", sum.busy, at(50), at(90), at(100))
	fmt.Printf("kills: %d recoveries that lived to say so, %d of them replayed records, %d in all; %d torn bytes cut\n",
		sum.recoveries, sum.replaying, sum.replayed, sum.tornCuts)
	fmt.Printf("kills: %d calls acknowledged, %d records of them and %d of others found, %d lost, %d repeated, 0 torn; %d runs, %d rotations\n",
		sum.acked, sum.acked-sum.lost, sum.found-(sum.acked-sum.lost), sum.lost, sum.repeated, sum.runs, sum.closedFiles)
	if sum.busy < sum.kills/5 || sum.replaying < sum.kills/5 {
		t.Errorf("only %d of %d kills hit a busy ring, and %d recoveries replayed", sum.busy, sum.kills, sum.replaying)
	}
	if sum.recovering < sum.kills/20 {
		t.Errorf("only %d of %d kills came before the folder was open", sum.recovering, sum.kills)
	}
}

// killFolder kills n processes on one new folder, and looks at it then.
func killFolder(t *testing.T, sum *tally, random *rand.Rand, n int) {
	root := t.TempDir()
	dir := filepath.Join(root, "logs")
	folderSeed := random.Uint64()
	var pages []*shared
	for process := range n {
		page, err := openShared(filepath.Join(root, fmt.Sprint("acks-", process)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
		killOne(t, sum, random, dir, filepath.Join(root, fmt.Sprint("acks-", process)), folderSeed, process, page)
	}
	examine(t, sum, dir, pages)
	for _, page := range pages {
		if err := page.close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(root); err != nil { // not at the end of a thousand
		t.Fatal(err)
	}
}

func killOne(t *testing.T, sum *tally, random *rand.Rand, dir, path string, folderSeed uint64, process int, page *shared) {
	var said bytes.Buffer
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=load", "DIR="+dir, "SHARED="+path,
		fmt.Sprint("PROCESS=", process), fmt.Sprint("SEED=", folderSeed))
	child.Stderr = &said
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- child.Wait() }()
	await := func(phase uint64) time.Duration {
		for began := time.Now(); ; {
			if page.word(wordPhase).Load() >= phase {
				return time.Since(began)
			}
			select {
			case err := <-done:
				t.Fatalf("process %d ended by itself: %v: %s", process, err, &said)
			case <-time.After(100 * time.Microsecond):
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("process %d does not get anywhere: %s", process, &said)
			}
		}
	}
	await(phaseOpening)
	var delay time.Duration
	if random.IntN(4) == 0 {
		delay = time.Duration(random.Int64N(int64(sum.openTime)))
	} else {
		took := await(phaseRunning)
		sum.openTime = (3*sum.openTime + took + 1) / 4
		delay = time.Duration(random.Int64N(int64(12 * time.Millisecond)))
		if random.IntN(4) == 0 {
			delay *= 5
		}
	}
	select {
	case err := <-done:
		t.Fatalf("process %d ended by itself: %v: %s", process, err, &said)
	case <-time.After(delay):
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
	if code := child.ProcessState.ExitCode(); code != -1 {
		t.Fatalf("process %d ended with %d before it was killed: %s", process, code, &said)
	}
	records, _, err := ringHeld(dir)
	if err != nil {
		t.Errorf("process %d: the ring: %v", process, err)
	}
	sum.kills++
	if page.word(wordPhase).Load() < phaseRunning {
		sum.recovering++
	}
	sum.modes[loadOptions(rand.New(rand.NewPCG(folderSeed, uint64(process)))).Mode]++
	if records > 0 {
		sum.busy++
	}
	sum.held = append(sum.held, records)
	if d, p := page.word(wordDropped).Load(), page.word(wordProblems).Load(); d > 0 || p > 0 {
		t.Errorf("process %d: %d records dropped, %d problems: %s", process, d, p, &said)
	}
}

// examine opens a folder for the last time and compares its text with what was
// acknowledged.
func examine(t *testing.T, sum *tally, dir string, pages []*shared) {
	store, err := logger.Open(dir, &logger.Options{OnProblem: func(err error) { t.Errorf("the last open: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	runs := map[string]bool{}
	open := map[string]bool{}
	err = readText(dir, func(log string, r *record) {
		switch {
		case r.Kind == "line":
			found[log+" "+r.Details.Ack]++
		case r.Kind == "run" || r.Kind == "step":
			id := r.Kind + " " + r.Run
			if r.Kind == "step" {
				id = r.Kind + " " + r.Step
			}
			if !r.Implied {
				found[r.Phase+" "+id]++
			}
			runs[r.Run] = true
			open[id] = r.Phase == "start"
		case r.Message == "store opened":
			sum.recoveries++
			sum.replayed += r.Details.Replayed
			sum.tornCuts += r.Details.Torn
			if r.Details.Replayed > 0 {
				sum.replaying++
			}
		}
	})
	if err != nil {
		t.Error(err)
		return
	}
	for id, is := range open {
		if is {
			t.Errorf("%s has no end", id)
		}
	}
	for what, times := range found {
		sum.found++
		if times > 1 {
			sum.repeated++
			t.Errorf("%s stands there %d times", what, times)
		}
	}
	for process, page := range pages {
		for caller := range callers {
			for n := range page.acked(caller).Load() {
				sum.acked++
				act, first := script(n)
				id := word(process, caller, first)
				key := ""
				switch act {
				case actLine:
					key = fileOf(n) + " " + word(process, caller, n)
				case actStartRun:
					key = "start run " + id
				case actStartStep:
					key = "start step s" + id
				case actEndStep:
					key = "end step s" + id
				case actEndRun:
					key = "end run " + id
				}
				if found[key] == 0 {
					sum.lost++
					t.Errorf("lost: %s (call %d of caller %d in process %d)", key, n, caller, process)
				}
			}
		}
	}
	sum.runs += int64(len(runs))
	closed, err := filepath.Glob(filepath.Join(dir, "*-20*.log*"))
	if err != nil {
		t.Fatal(err)
	}
	sum.closedFiles += len(closed)
	askRuns(t, dir, int64(len(runs)))
}

// askRuns asks the library the same, in the way of another process.
func askRuns(t *testing.T, dir string, runs int64) {
	engine, err := query.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	page, err := engine.MainLogs(context.Background(), query.RunFilter{}, query.Paging{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if page.Total.N != runs || !page.Total.Exact {
		t.Errorf("a query counts %v runs, the text %d", page.Total, runs)
	}
}
