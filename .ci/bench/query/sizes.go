package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// sizes says what the sealed files of user.log take, beside gzip -6 of the first
// one as it was before, and what an open folder takes in memory.
func sizes(_ context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "user-*.log.gz"))
	if err != nil || len(files) == 0 {
		return err
	}
	var data, index int64
	for _, name := range files {
		for path, sum := range map[string]*int64{name: &data, plainName(name) + ".idx": &index} {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			*sum += info.Size()
		}
	}
	lines, text := 0, int64(0)
	for _, name := range files {
		err := eachLineOf(name, func(l string) error {
			lines++
			text += int64(len(l)) + 1
			return nil
		})
		if err != nil {
			return err
		}
	}
	plain, err := plainText(dir, files[0])
	if err != nil {
		return err
	}
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	if _, err := z.Write(plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	n := float64(lines)
	gzipped := float64(whole.Len()) / float64(len(plain)) * float64(text) / n
	each := float64(data+index) / n
	fmt.Printf("\n%d sealed lines of %.0f B: %.1f B a line compressed and %.1f B of sidecar, %.1f B in all, %.2f of 60: %s\n", lines,
		float64(text)/n, float64(data)/n, float64(index)/n, each, each/60, verdict(each <= 60))
	fmt.Printf("gzip -6 of the text: %.1f B a line; text and sidecar are %.2f × that: %s\n", gzipped, each/gzipped, verdict(each <= gzipped))
	if err := mapped(files, lines); err != nil {
		return err
	}
	return memory(dir, lines)
}

// sectionNames names the sections of a sidecar by their numbers, which are those
// of internal/segment/FORMAT.md; fields are numbered from 32 on.
var sectionNames = [...]string{1: "meta", 2: "frames", 3: "columns", 4: "places", 5: "order", 6: "strings", 7: "scopes", 8: "owners",
	9: "postings", 10: "lifecycle", 16: "messages", 17: "topics", 32: "fields"} // immutable

// mapped says what the sidecars of sealed files take of the address space, which
// is all of them, and which of their sections.
func mapped(files []string, lines int) error {
	var all int64
	sizes := make([]int64, len(sectionNames))
	for _, name := range files {
		b, err := os.ReadFile(plainName(name) + ".idx")
		if err != nil {
			return err
		}
		all += int64(len(b))
		const footer, entry = 32, 24
		if len(b) < footer {
			return fmt.Errorf("the sidecar of %s is cut", name)
		}
		foot := b[len(b)-footer:]
		table := b[binary.LittleEndian.Uint64(foot):][:entry*binary.LittleEndian.Uint32(foot[8:])]
		for e := range slices.Chunk(table, entry) {
			sizes[min(int(binary.LittleEndian.Uint32(e)), len(sizes)-1)] += int64(binary.LittleEndian.Uint64(e[16:]))
		}
	}
	n := float64(lines)
	fmt.Printf("sidecars map %.1f B a line, %.2f of 12: %s", float64(all)/n, float64(all)/n/12, verdict(float64(all)/n <= 12))
	for {
		most := slices.Max(sizes)
		if float64(most)/n < 0.05 {
			fmt.Println()
			return nil
		}
		at := slices.Index(sizes, most)
		fmt.Printf("; %s %.1f", sectionNames[at], float64(most)/n)
		sizes[at] = 0
	}
}

// plainText returns a closed file in the order of arrival.
func plainText(dir, name string) ([]byte, error) {
	folder, err := rotation.OpenFolder(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	r, err := folder.Open(filepath.Base(name))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	return b.Bytes(), err
}

// memory says what an open folder holds on the heap, and how much is mapped.
func memory(dir string, lines int) error {
	heap := func() uint64 {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	store, err := logger.Open(dir, nil)
	if err != nil {
		return err
	}
	opened := heap()
	for f := 0; f < 3; f++ {
		if _, err := store.Query().LineLogs(context.Background(), query.Filter{}, query.Paging{Limit: 1}); err != nil {
			return err
		}
	}
	fmt.Printf("an open folder holds %.0f MB on the heap, runs and the active rows among it: %.1f B a line\n", float64(opened-before)/1e6,
		float64(opened-before)/float64(lines))
	return store.Close()
}

// sealing measures how fast closed files are sealed, and what it takes of the
// processors. It works on a copy of some of them, plain.
func sealing(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "user-*.log.gz"))
	if err != nil || len(files) == 0 {
		return err
	}
	copied, err := os.MkdirTemp(filepath.Dir(dir), "sealing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	var text int64
	lines := 0
	for _, name := range files[:min(len(files), 5)] {
		plain, err := plainText(dir, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(copied, filepath.Base(plainName(name))), plain, 0o600); err != nil {
			return err
		}
		text += int64(len(plain))
		lines += bytes.Count(plain, []byte("\n"))
	}
	// Opening parses them; what follows is sealing alone.
	runtime.GC()
	store, err := logger.Open(copied, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	pacer := machine.NewPacer()
	pace := pacer.Pace()
	used, start := processorTime(), time.Now()
	// A log is looked after once it is used.
	_, run := store.Server("edge-1").Service(workflow.Service(1)).Operation(workflow.Operation(1)).Start(ctx)
	run.Info("the closed files are sealed from now on")
	run.End(nil)
	left := func() (int, error) {
		plain, err := filepath.Glob(filepath.Join(copied, "*-20*.log"))
		return len(plain), err
	}
	for n, err := left(); n > 0 || err != nil; n, err = left() {
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	took, used := time.Since(start), processorTime()-used
	pace = (pace + pacer.Pace()) / 2
	speed, each := float64(text)/1e6/took.Seconds(), float64(used)/1e3/float64(lines)
	fmt.Printf("sealed %.0f MB in %.1f s: %.0f MB/s, %.2f of 150: %s, %.2f at the machine's pace; %.2f µs of processor a line, %.2f of 4.2: %s, %.2f at the machine's pace\n",
		float64(text)/1e6, took.Seconds(), speed, speed/150, verdict(speed >= 150), speed/150*pace, each, each/4.2, verdict(each <= 4.2), each/4.2/pace)
	return nil
}
