//go:build linux

package reliability

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
)

// smallFiles has files rotated after a few lines.
var smallFiles = rotation.Rule{MaxBytes: 20_000, Compression: rotation.None}

// TestDamagedFile has somebody else delete, rename or cut the active file of a
// store that logs.
func TestDamagedFile(t *testing.T) {
	for _, mode := range []string{"journal", "write"} {
		for _, damage := range []string{"deleted", "renamed", "cut to nothing", "cut at a line", "cut in a line"} {
			t.Run(damage+" "+mode, func(t *testing.T) {
				t.Setenv("MODE", mode)
				dir := t.TempDir()
				h, err := openHost(dir, logger.Options{})
				if err != nil {
					t.Fatal(err)
				}
				h.offer("email", "before", 200, 0)
				if err := h.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				aside := filepath.Join(t.TempDir(), "aside.log")
				damageFile(t, filepath.Join(dir, "email.log"), damage, aside)
				h.offer("email", "during", 200, 0)
				awaitDamage(t, h)
				h.offer("email", "after", 200, 0)
				stats := h.Stats()
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				found := map[string]int{}
				torn := countText(t, filepath.Join(dir, "email.log"), found) + countText(t, aside, found)
				fmt.Printf("email.log %s, mode %s: of 200 before %d are there, of 200 meanwhile %d, of 200 after it was noticed %d; %d dropped, %d lines torn\n",
					damage, mode, found["before"], found["during"], found["after"], stats.Dropped, torn)
				if found["after"] != 200 {
					t.Error("what is logged after the damage is lost")
				}
				if damage == "renamed" && found["before"] != 200 {
					t.Error("what was written before the damage is lost")
				}
				// The line that goes on behind a cut one is the one that is lost.
				least := 200
				if damage == "cut in a line" {
					least = 199
				}
				if found["during"]+int(stats.Dropped) < least {
					t.Error("what is logged before the damage is noticed is lost")
				}
			})
		}
	}
}

func damageFile(t *testing.T, path, damage, aside string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lineEnd := strings.Index(string(text)[len(text)/2:], "\n") + len(text)/2 + 1
	switch damage {
	case "deleted":
		err = os.Remove(path)
	case "renamed":
		err = os.Rename(path, aside)
	case "cut to nothing":
		err = os.Truncate(path, 0)
	case "cut at a line":
		err = os.Truncate(path, int64(lineEnd))
	case "cut in a line":
		err = os.Truncate(path, int64(lineEnd)+20)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func awaitDamage(t *testing.T, h *host) {
	t.Helper()
	for {
		select {
		case err := <-h.problems:
			if d := (*rotation.DamageError)(nil); errors.As(err, &d) {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatal("nobody noticed")
		}
	}
}

// countText counts the lines of a file by their message, and returns how many
// are no records.
func countText(t *testing.T, path string, found map[string]int) (torn int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for raw := range strings.Lines(string(text)) {
		r, err := parse([]byte(raw))
		if err != nil {
			torn++
			continue
		}
		if r.Details.Ack != "" && seen[r.Details.Ack] {
			t.Errorf("%s stands there twice", r.Details.Ack)
		}
		seen[r.Details.Ack] = true
		found[r.Message]++
	}
	return torn
}
