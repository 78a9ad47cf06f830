//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// The load is a program that logs as fast as it can, in bursts, until it is
// killed. What a caller does in its n-th call follows from n alone, so that the
// count of its calls that returned says what must be in the text.

// action is what a call does.
type action uint8

const (
	actLine action = iota
	actStartRun
	actStartStep
	actEndStep
	actEndRun
)

const (
	callers = 6
	period  = 40 // calls of one caller from one run to the next
)

// script returns what call n of a caller does, and the number of the call that
// began its run.
func script(n uint64) (act action, run uint64) {
	run = n - n%period
	switch n % period {
	case 0:
		return actStartRun, run
	case 1:
		return actStartStep, run
	case period - 2:
		return actEndStep, run
	case period - 1:
		return actEndRun, run
	}
	return actLine, run
}

// fileOf is the log that a line goes to: user, or two that the host names.
func fileOf(n uint64) string {
	switch n % 5 {
	case 1:
		return "email"
	case 3:
		return "database"
	}
	return "user"
}

// pad is a text whose length follows from the caller and the call: mostly short,
// now and then longer than a page, seldom longer than what is written at once.
func pad(caller int, n uint64) string {
	r := rand.New(rand.NewPCG(uint64(caller), n))
	size := 20 + r.IntN(400)
	switch k := r.IntN(2000); {
	case k == 0:
		size = 200_000 + r.IntN(200_000)
	case k < 20:
		size = 4000 + r.IntN(20_000)
	}
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(strconv.FormatUint(r.Uint64(), 36))
	}
	return b.String()[:size]
}

func word(process, caller int, n uint64) string { return fmt.Sprintf("%d.%d.%d", process, caller, n) }

// loadOptions are the options of one process, random from a seed.
func loadOptions(r *rand.Rand) *logger.Options {
	o := &logger.Options{
		MaxWait: time.Minute, // nobody kills to see what a slow disk drops
		Rule:    rotation.Rule{MaxBytes: []int64{64 << 10, 256 << 10, 1 << 20}[r.IntN(3)]},
		OpenRun: nil,
	}
	switch r.IntN(4) {
	case 0:
		o.Rule.Compression = rotation.Zstd
	case 1:
		o.Rule.Compression = rotation.None
	}
	switch r.IntN(8) {
	case 0, 1:
		o.Mode = logger.ModeWrite
	case 2, 3:
		o.RingBytes = 4 << 20
	}
	return o
}

// load is the program. Its arguments are variables: the folder, the shared file,
// the number of the process and the seed.
func load() error {
	dir := os.Getenv("DIR")
	process, err := strconv.Atoi(os.Getenv("PROCESS"))
	if err != nil {
		return err
	}
	s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		return err
	}
	mem, err := openShared(os.Getenv("SHARED"))
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(s, uint64(process)))
	o := loadOptions(r)
	o.OnProblem = func(err error) {
		fmt.Fprintln(os.Stderr, "problem:", err)
		mem.word(wordProblems).Add(1)
	}
	mem.word(wordPhase).Store(phaseOpening)
	store, err := logger.Open(dir, o)
	if err != nil {
		return err
	}
	mem.word(wordPhase).Store(phaseRunning)
	op := store.Server("edge").Service("orders").Operation("load")
	var wg sync.WaitGroup
	for c := range callers {
		pause := time.Duration(r.IntN(4)) * time.Millisecond
		burst := 20 + r.IntN(300)
		wg.Go(func() { call(op, mem, process, c, burst, pause) })
	}
	if r.IntN(3) == 0 {
		go func() {
			for {
				// Its error is a problem that is counted.
				_ = store.Sync(context.Background())
			}
		}()
	}
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			mem.word(wordDropped).Store(uint64(store.Stats().Dropped))
		}
	}()
	wg.Wait()
	return nil
}

// call makes the calls of one caller, for ever.
func call(op *logger.Operation, mem *shared, process, caller, burst int, pause time.Duration) {
	acked := mem.acked(caller)
	var ctx, inner context.Context
	var run *logger.Run
	var step *logger.Step
	for n := uint64(0); ; n++ {
		act, first := script(n)
		id := word(process, caller, first)
		switch act {
		case actStartRun:
			ctx, run = op.Start(context.Background(), logger.ID(id))
		case actStartStep:
			inner, step = logger.StartStep(ctx, "act", logger.ID("s"+id))
		case actEndStep:
			step.End(nil, nil)
		case actEndRun:
			run.End(errors.New("made up"))
		case actLine:
			text := pad(caller, n)
			level := levels.Info
			if n%211 == 0 {
				level = levels.Error
			}
			logger.FromContext(inner).To(fileOf(n)).Log(level, "line", zap.String("ack", word(process, caller, n)),
				zap.String("pad", text), zap.Uint32("sum", crc32.ChecksumIEEE([]byte(text))))
		}
		acked.Store(n + 1)
		if n%uint64(burst) == 0 && pause > 0 {
			time.Sleep(pause)
		}
	}
}
