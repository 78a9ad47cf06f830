//go:build linux

package reliability

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
)

// TestRemovedAndKilled takes .journal, or the ring in it, from under a process that
// logs, waits until that says that it noticed, and kills it. Everything acknowledged
// is found, once.
func TestRemovedAndKilled(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 7))
	acked, kills := 0, 0
	for round := range 4 {
		for _, c := range []struct {
			name   string
			remove func(journal string) error
		}{
			{"the ring is removed", func(journal string) error { return os.Remove(filepath.Join(journal, "ring")) }},
			{"all of it is removed", os.RemoveAll},
			{"all of it is moved", func(journal string) error { return os.Rename(journal, journal+"-moved") }},
			{"a link to nothing takes its place", func(journal string) error { return linkTo(journal+"-nothing", journal) }},
			{"a link to itself takes its place", func(journal string) error { return linkTo(journal, journal) }},
		} {
			t.Run(fmt.Sprint(c.name, " ", round), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "logs")
				acks := filepath.Join(t.TempDir(), "acks")
				child := exec.CommandContext(t.Context(), os.Args[0])
				child.Env = append(os.Environ(), roleVariable+"=removed", "DIR="+dir, "ACKS="+acks)
				var trouble strings.Builder
				child.Stderr = &trouble
				out, err := child.StdoutPipe()
				if err == nil {
					err = child.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				defer time.AfterFunc(time.Minute, func() { _ = child.Process.Kill() }).Stop() // it never noticed
				said := bufio.NewScanner(out)
				await := func(what string) {
					for said.Scan() {
						if strings.Contains(said.Text(), what) {
							return
						}
					}
					t.Errorf("the process ended before it said %q: %s", what, &trouble)
				}
				await("at work")
				if err := c.remove(filepath.Join(dir, ".journal")); err != nil {
					t.Error(err)
				}
				await("were removed or replaced")
				time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
				if err := child.Process.Kill(); err != nil {
					t.Error(err)
				}
				_ = child.Wait() // it was killed
				kills++
				acked += findAcked(t, dir, acks)
			})
		}
	}
	fmt.Printf(".journal removed: %d processes killed behind it, %d calls acknowledged, all found once\n", kills, acked)
}

// linkTo puts a link in the place of a folder.
func linkTo(target, folder string) error {
	for n := 0; ; n++ {
		if err := os.Rename(folder, fmt.Sprint(folder, "-moved-", n)); err != nil {
			return err
		}
		if err := os.Symlink(target, folder); !errors.Is(err, fs.ErrExist) { // the process was faster
			return err
		}
	}
}

// findAcked opens a folder whose process was killed, and returns how many records were
// acknowledged. Each must be in the text once.
func findAcked(t *testing.T, dir, acks string) (acked int) {
	t.Helper()
	store, err := logger.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	found := map[string]int{}
	if err := readText(dir, func(_ string, r *record) { found[r.Details.Ack]++ }); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(acks)
	if err != nil {
		t.Fatal(err)
	}
	whole := text[:strings.LastIndexByte(string(text), '\n')+1]
	for ack := range strings.Lines(string(whole)) {
		acked++
		if n := found[strings.TrimSuffix(ack, "\n")]; n != 1 {
			t.Errorf("acknowledged record %q stands %d times in the text", ack, n)
			return acked
		}
	}
	if acked < 100 {
		t.Errorf("only %d records were acknowledged", acked)
	}
	return acked
}

// removed is the program of TestRemovedAndKilled: it logs until it is killed, writes
// down what was acknowledged, and prints what the store reports.
func removed() error {
	var printing sync.Mutex
	say := func(line string) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Println(strings.ReplaceAll(line, "\n", " "))
	}
	store, err := logger.Open(os.Getenv("DIR"), &logger.Options{OnProblem: func(err error) { say(err.Error()) }})
	if err != nil {
		return err
	}
	acks, err := os.OpenFile(os.Getenv("ACKS"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	log := store.Server("edge-1").To("email")
	pad := strings.Repeat("p", 500)
	sum := zap.Uint32("sum", crc32.ChecksumIEEE([]byte(pad)))
	var callers sync.WaitGroup
	for caller := range 3 {
		callers.Go(func() {
			for n := 0; ; n++ {
				ack := strconv.Itoa(caller) + "-" + strconv.Itoa(n)
				log.Info("line", zap.String("ack", ack), zap.String("pad", pad), sum)
				if _, err := acks.WriteString(ack + "\n"); err != nil {
					say(err.Error())
					return
				}
				if caller == 0 && n == 2000 {
					say("at work")
				}
				if n%100 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	callers.Wait()
	return store.Close()
}
