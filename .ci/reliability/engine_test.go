//go:build linux

package reliability

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEngineKilled kills the example engine, as anybody may from a shell: started
// with -runs 2000 -acks FILE, killed with -9 at any moment, and started again on
// the same folder. Every word of FILE must stand in the text, once.
func TestEngineKilled(t *testing.T) {
	root := t.TempDir()
	program := filepath.Join(root, "engine")
	build := exec.Command("go", "build", "-o", program, "./examples/engine")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "GOWORK=off")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	random := rand.New(rand.NewPCG(*seed, 2))
	began := time.Now()
	var acked, found, held, replaying int
	const perFolder = 10
	for folder := 0; folder*perFolder < *engineKills; folder++ {
		dir, acks := filepath.Join(root, fmt.Sprint("logs-", folder)), filepath.Join(root, fmt.Sprint("acks-", folder))
		engine := func(args ...string) *exec.Cmd {
			c := exec.Command(program, append([]string{"-dir", dir, "-acks", acks}, args...)...)
			c.Dir, c.Stdout = root, nil
			return c
		}
		for range min(perFolder, *engineKills-folder*perFolder) {
			var said bytes.Buffer
			c := engine("-runs", "2000")
			c.Stderr = &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			// From before it has opened the folder until it has made some runs.
			time.Sleep(time.Duration(random.Int64N(int64(800 * time.Millisecond))))
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err == nil || c.ProcessState.ExitCode() != -1 {
				t.Fatalf("it ended before it was killed: %v: %s", err, &said)
			}
			records, _, err := ringHeld(dir)
			if err != nil {
				t.Errorf("the ring: %v", err)
			}
			if records > 0 {
				held++
			}
		}
		if said, err := engine("-runs", "1", "-json").CombinedOutput(); err != nil {
			t.Fatalf("the last start: %v: %s", err, said)
		}
		times := map[string]int{}
		err := readText(dir, func(_ string, r *record) {
			if r.Details.Ack != "" {
				times[r.Details.Ack]++
			}
			if r.Message == "store opened" && r.Details.Replayed > 0 {
				replaying++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		words, err := os.ReadFile(acks)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(words)) {
			acked++
			if times[word] != 1 {
				t.Errorf("%s stands there %d times", word, times[word])
			}
		}
		for word, n := range times {
			found += n
			if n > 1 {
				t.Errorf("%s stands there %d times", word, n)
			}
		}
	}
	fmt.Printf("engine: %d kills in %.0f s, %d with records in the ring, %d recoveries replayed; %d lines acknowledged, %d found\n",
		*engineKills, time.Since(began).Seconds(), held, replaying, acked, found)
	if acked == 0 {
		t.Error("nothing was acknowledged")
	}
}
