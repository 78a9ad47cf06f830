//go:build linux

package reliability

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
)

// dropLogs are the logs that the processes of TestDroppedAndKilled write, by the byte
// with which they say that a call has returned.
var dropLogs = map[byte]string{'e': "email", 'd': "database"}

// TestDroppedAndKilled kills processes while files may not grow any more and they drop
// what does not fit, at random moments, also while they open the folder. Every call
// that returned is in the text or in a record that says what was dropped, each once;
// of the one call in which a process was killed nobody knows.
func TestDroppedAndKilled(t *testing.T) {
	for _, mode := range []string{"journal", "write"} {
		random := rand.New(rand.NewPCG(*seed, 5))
		dir := filepath.Join(t.TempDir(), mode)
		n := max(8, *kills/10)
		returned := map[string]int64{}
		for process := range n {
			room := process == 0 || random.IntN(5) == 0
			for said, calls := range killWhileDropping(t, dir, mode, process, room, random.IntN(4000)) {
				returned[dropLogs[said]] += calls
			}
			if t.Failed() {
				return
			}
		}
		store, err := logger.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		found, dropped, records := map[string]int64{}, map[string]int64{}, map[string]int{}
		seen := map[string]bool{}
		err = readText(dir, func(log string, r *record) {
			switch {
			case r.Details.Ack != "":
				if seen[r.Details.Ack] {
					t.Errorf("%s stands there twice", r.Details.Ack)
				}
				seen[r.Details.Ack] = true
				found[log]++
			case strings.HasPrefix(r.Message, "dropped "):
				dropped[log] += r.Details.Count
				records[log]++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var all int64
		for _, log := range dropLogs {
			fmt.Printf("killed on a full disk, mode %s, %s.log: %d kills, %d calls returned, %d records in the text, %d dropped in %d records that say so\n",
				mode, log, n, returned[log], found[log], dropped[log], records[log])
			missing := returned[log] - found[log] - dropped[log]
			if missing > 0 || missing < -int64(n) || dropped[log] == 0 {
				t.Errorf("seed %d: of %d calls that returned %d records are in %s.log, and %d are said to be dropped", *seed, returned[log], found[log], log, dropped[log])
			}
			all += missing
		}
		if all < -int64(n) {
			t.Errorf("seed %d: %d records more than calls, with %d kills", *seed, -all, n)
		}
	}
}

// killWhileDropping runs a process until it has said so many bytes, kills it, and
// returns how often it said each.
func killWhileDropping(t *testing.T, dir, mode string, process int, room bool, upto int) map[byte]int64 {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=dropping", "DIR="+dir, "MODE="+mode, fmt.Sprint("PROCESS=", process))
	if room {
		child.Env = append(child.Env, "ROOM=1")
	}
	var trouble bytes.Buffer
	child.Stderr = &trouble
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, upto)
	n, err := io.ReadFull(out, said)
	if err != nil {
		t.Errorf("process %d said %d bytes: %v: %s", process, n, err, trouble.String())
	}
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Error(err)
	}
	_ = child.Wait() // it was killed
	calls := map[byte]int64{}
	for _, b := range append(said[:n], rest...) {
		calls[b]++
	}
	return calls
}

// dropUntilKilled is the program of TestDroppedAndKilled.
func dropUntilKilled() error {
	if os.Getenv("ROOM") == "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100_000, Max: unix.RLIM_INFINITY}); err != nil {
			return err
		}
	}
	h, err := openHost(os.Getenv("DIR"), logger.Options{})
	if err != nil {
		return err
	}
	if os.Getenv("ROOM") != "" {
		if err := h.Sync(context.Background()); err != nil {
			return err
		}
	}
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 6))
	levels := []zapcore.Level{zapcore.InfoLevel, zapcore.WarnLevel, zapcore.ErrorLevel}
	said := []byte{0}
	for n := 0; ; n++ {
		said[0] = "ed"[random.IntN(2)]
		log := dropLogs[said[0]]
		text := pad(0, uint64(n)) + strings.Repeat("z", random.IntN(8000))
		h.log.To(log).Log(levels[random.IntN(3)], "line", zap.String("ack", fmt.Sprint(os.Getenv("PROCESS"), " ", n)),
			zap.String("pad", text), zap.Uint32("sum", crc32.ChecksumIEEE([]byte(text))))
		if _, err := os.Stdout.Write(said); err != nil {
			return err
		}
	}
}
