//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// start runs this program again in a role, until it ends, and prints what it
// said. change may be nil.
func start(t *testing.T, role string, change func(*exec.Cmd), env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	if change != nil {
		change(child)
	}
	said, err := child.CombinedOutput()
	fmt.Printf("%s", said)
	if err != nil {
		t.Fatalf("%s: %v", role, err)
	}
}

// host is a store and what was offered to it.
type host struct {
	*logger.Store
	log      *logger.Logger
	offered  map[string]int64
	problems chan error
	// By stores that were closed.
	dropped      map[string]int64
	droppedInAll int64
}

func openHost(dir string, o logger.Options) (*host, error) {
	h := &host{offered: map[string]int64{}, dropped: map[string]int64{}, problems: make(chan error, 10_000)}
	return h, h.open(dir, o)
}

func (h *host) open(dir string, o logger.Options) error {
	o.RingBytes = 4 << 20
	o.OnProblem = func(err error) { h.problems <- err }
	if os.Getenv("MODE") == "write" {
		o.Mode = logger.ModeWrite
	}
	store, err := logger.Open(dir, &o)
	if err != nil {
		return err
	}
	h.Store = store
	h.log = store.Server("edge").Service("orders").Logger
	return nil
}

// restart closes the store on a disk that does not take what is left, and opens it
// again.
func (h *host) restart(dir string) error {
	if err := h.Store.Close(); err == nil {
		return errors.New("Close says that all is well on a full disk")
	}
	stats := h.Stats()
	h.droppedInAll += stats.Dropped
	for file := range h.offered {
		h.dropped[file] += stats.Files[file].Dropped
	}
	return h.open(dir, logger.Options{})
}

// lost is how many records of a file were dropped.
func (h *host) lost(file string) int64 { return h.dropped[file] + h.Stats().Files[file].Dropped }

// offer logs n lines to a file.
func (h *host) offer(file, what string, n, size int) {
	for range n {
		text := pad(n, uint64(h.offered[file]))
		if len(text) < size {
			text += strings.Repeat("z", size-len(text))
		}
		ack := fmt.Sprintf("%s %s %d", file, what, h.offered[file])
		h.offered[file]++
		h.log.To(file).Info(what, zap.String("ack", ack), zap.String("pad", text), zap.Uint32("sum", crc32.ChecksumIEEE([]byte(text))))
	}
}

// visible is how many of the offered lines of a file a query finds.
func (h *host) visible(file string) (int64, error) {
	page, err := h.Query().Records(context.Background(), query.Filter{Files: []string{file}, Topic: "application"}, query.Paging{Limit: 1})
	return page.Total.N, err
}

// settled waits until the disk takes what waits, and every drop is said.
func (h *host) settled() error {
	var err error
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		if err = h.Sync(context.Background()); err != nil {
			continue
		}
		var said int64
		if said, err = h.said(); err != nil {
			return err
		}
		if dropped := h.Stats().Dropped + h.droppedInAll; said != dropped {
			err = fmt.Errorf("%d records dropped, and %d said", dropped, said)
			continue
		}
		return nil
	}
	return err
}

// said is how many drops the records speak of that say what was dropped.
func (h *host) said() (sum int64, err error) {
	for r, err := range h.Query().All(context.Background(), query.Filter{Topic: "system"}) {
		if err != nil {
			return 0, err
		}
		if n, found := strings.CutPrefix(r.Message, "dropped "); found {
			var count int64
			if _, err := fmt.Sscan(n, &count); err != nil {
				return 0, err
			}
			sum += count
		}
	}
	return sum, nil
}

// close closes the store and compares the text with what was offered: each
// record stands there once or was counted as dropped, and of the drops of a file
// no more records speak than there are episodes, unless those are 0. What was logged as "after" must all be
// there. It prints the figures.
func (h *host) close(dir, name string, episodes int) error {
	stats := h.Stats()
	if err := h.Store.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	found, after, saying, said := map[string]int64{}, map[string]int64{}, map[string]int{}, map[string]int64{}
	seen := map[string]bool{}
	var twice error
	err := readText(dir, func(log string, r *record) {
		switch {
		case r.Details.Ack != "":
			if seen[r.Details.Ack] {
				twice = fmt.Errorf("%s stands there twice", r.Details.Ack)
			}
			seen[r.Details.Ack] = true
			found[log]++
			if r.Message == "after" {
				after[log]++
			}
		case strings.HasPrefix(r.Message, "dropped "):
			saying[log]++
			said[log] += r.Details.Count
		}
	})
	if err = errors.Join(err, twice); err != nil {
		return err
	}
	for file, offered := range h.offered {
		dropped := stats.Files[file].Dropped + h.dropped[file]
		fmt.Printf("%s, mode %s, %s.log: %d offered, %d accepted, %d dropped in %d records that say so, %d problems\n",
			name, stats.Mode, file, offered, found[file], dropped, saying[file], stats.Problems)
		if found[file]+dropped != offered {
			return fmt.Errorf("%s.log: %d found and %d dropped of %d", file, found[file], dropped, offered)
		}
		if said[file] != dropped {
			return fmt.Errorf("%s.log: %d dropped, and %d said", file, dropped, said[file])
		}
		if episodes > 0 && saying[file] > episodes {
			return fmt.Errorf("%s.log: %d records say what was dropped", file, saying[file])
		}
		if after[file] != afterwards {
			return fmt.Errorf("%s.log: %d of %d lines after it all", file, after[file], afterwards)
		}
	}
	return nil
}

// afterwards is how many lines are logged once nothing is wrong any more.
const afterwards = 100
