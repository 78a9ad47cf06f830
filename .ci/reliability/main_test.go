//go:build linux

// Package reliability kills, fills, damages and wears out a store in processes
// of their own, through what the library exports, and prints what it did. Without
// flags it is quick; make reliability gives the flags of the full figures.
package reliability

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var (
	kills       = flag.Int("kills", 40, "how many processes TestKills kills")
	engineKills = flag.Int("engine-kills", 4, "how many times TestEngineKilled kills the example engine")
	soak        = flag.Duration("soak", 6*time.Second, "how long TestSoak runs after its warm-up; the full figure is 60s")
	seed        = flag.Uint64("seed", 1, "seed of everything random")
)

// roleVariable says which program a process started by these tests is.
const roleVariable = "STEPLOG_RELIABILITY_ROLE"

var roles = map[string]func() error{
	"load":     load,
	"space":    runOutOfSpace,
	"files":    runOutOfDescriptors,
	"denied":   loseTheFolder,
	"locked":   openSecond,
	"soak":     soakRole,
	"dropping": dropUntilKilled,
	"stopped":  stopped,
	"removed":  removed,
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	go leaveWithParent(os.Getppid())
	if err := roles[role](); err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
}

// leaveWithParent ends a process that nobody waits for any more.
func leaveWithParent(parent int) {
	for range time.Tick(time.Second) {
		if os.Getppid() != parent {
			os.Exit(2)
		}
	}
}
