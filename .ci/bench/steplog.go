package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// place is a logger in an open store.
type place struct {
	store *logger.Store
	*logger.Logger
	file string // where its lines go
	end  func() error
}

// options are the defaults but for the size at which files rotate.
func options(o setting) *logger.Options {
	return &logger.Options{Rule: rotation.Rule{MaxBytes: o.bytes()}}
}

// inStore returns a logger in a run and a step, or, when no identifiers are to be bound,
// one that has none.
func inStore(store *logger.Store, o setting) *place {
	p := &place{store: store, Logger: store.Server("").Logger, file: logger.FileApplication}
	finish := func() {}
	if o.bind {
		ctx, run := store.Server(server).Service(service).Operation(operation).
			Start(context.Background(), logger.ID(runID), logger.Project(project))
		ctx, step := logger.StartStep(ctx, action, logger.ID(stepID), logger.Attempt(1))
		p.Logger, p.file = logger.FromContext(ctx), logger.FileUser
		finish = func() { step.End(nil, nil); run.End(nil) }
	}
	p.end = func() error {
		finish()
		err := store.Close()
		if s := store.Stats(); s.Dropped != 0 || s.Problems != 0 {
			return fmt.Errorf("steplog dropped %d records and had %d problems, the last of which is %v", s.Dropped, s.Problems, s.LastProblem)
		}
		return err
	}
	return p
}

func inFolder(dir string, o setting) (*place, error) {
	store, err := logger.Open(dir, options(o))
	if err != nil {
		return nil, err
	}
	return inStore(store, o), nil
}

// target returns a target that makes the calls of log.
func (p *place) target(dir string, log func(int, *sample)) *target {
	return &target{
		log:   log,
		sync:  func() error { return p.store.Sync(context.Background()) },
		close: p.end,
		read:  readLog(dir, p.file),
		mode:  p.store.Stats().Mode.String(),
	}
}

func steplogCall(l *logger.Logger) func(int, *sample) {
	return func(n int, s *sample) {
		l.Info(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}
}

func openSteplog(dir string, o setting) (*target, error) {
	p, err := inFolder(dir, o)
	if err != nil {
		return nil, err
	}
	return p.target(dir, steplogCall(p.Logger)), nil
}

// openSteplogClosed ends each round with a rotation and waits until the closed
// file is compressed: what a record costs altogether.
func openSteplogClosed(dir string, o setting) (*target, error) {
	p, err := inFolder(dir, o)
	if err != nil {
		return nil, err
	}
	t := p.target(dir, steplogCall(p.Logger))
	t.close = func() error {
		if err := p.store.Rotate(context.Background(), p.file); err != nil {
			return err
		}
		for {
			list, err := p.store.Files().List()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(list, func(i rotation.Info) bool { return i.Log == p.file && !i.Active && !i.Compressed }) {
				return p.end()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return t, nil
}

func openSteplogSecrets(dir string, o setting) (*target, error) {
	p, err := inFolder(dir, o)
	if err != nil {
		return nil, err
	}
	for i := range 16 {
		if err := p.store.AddSecret(fmt.Sprintf("s3cr3t-%02d-%s", i, strings.Repeat("x7", i+4))); err != nil {
			return nil, err
		}
	}
	return p.target(dir, steplogCall(p.Logger)), nil
}

func openSteplogZap(dir string, o setting) (*target, error) {
	p, err := inFolder(dir, o)
	if err != nil {
		return nil, err
	}
	return p.target(dir, zapCall(p.Zap())), nil
}

func openSteplogDisabled(dir string, o setting) (*target, error) {
	p, err := inFolder(dir, o)
	if err != nil {
		return nil, err
	}
	l := p.Logger
	return p.target(dir, func(n int, s *sample) {
		l.Debug(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}), nil
}

// openSteplogMemory logs to a memory store: its ring is the same code over
// memory that no file stands behind. Its files are another matter, so only the
// time of the caller's thread can be compared.
func openSteplogMemory(_ string, o setting) (*target, error) {
	p := inStore(logger.OpenMemory(options(o)), o)
	t := p.target("", steplogCall(p.Logger))
	var text bytes.Buffer
	t.close = func() error {
		r, err := logFiles(p.store.Files(), p.file, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(&text, r); err != nil {
			return err
		}
		return errors.Join(r.Close(), p.end())
	}
	t.read = func() (io.ReadCloser, error) { return io.NopCloser(&text), nil }
	return t, nil
}

// shm is where Linux has memory as a file system.
const shm = "/dev/shm"

// openSteplogShm logs to a folder whose texts are where all others are, while
// the ring is mapped from memory that no disk stands behind.
func openSteplogShm(dir string, o setting) (*target, error) {
	if machine.FileSystem(shm) != "tmpfs" {
		return nil, fmt.Errorf("%s is no tmpfs", shm)
	}
	private, err := os.MkdirTemp(shm, "bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(private, filepath.Join(dir, ".journal")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(private))
	}
	t, err := openSteplog(dir, o)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(private))
	}
	end := t.close
	t.close = func() error { return errors.Join(end(), os.RemoveAll(private)) }
	return t, nil
}

// readLog returns a function that reads all files of one log, the oldest first,
// compressed ones included.
func readLog(dir, log string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		folder, err := rotation.OpenFolder(dir)
		if err != nil {
			return nil, err
		}
		r, err := logFiles(folder, log, folder.Close)
		if err != nil {
			return nil, errors.Join(err, folder.Close())
		}
		return r, nil
	}
}

// logFiles reads all files of one log in a folder and then calls end.
func logFiles(folder *rotation.Folder, log string, end func() error) (io.ReadCloser, error) {
	list, err := folder.List()
	if err != nil {
		return nil, err
	}
	all := &joined{end: end}
	var active string
	for _, i := range list {
		switch {
		case i.Log != log:
		case i.Active:
			active = i.Name
		default:
			all.names = append(all.names, i.Name) // sorted by name, which is by time
		}
	}
	all.names = append(all.names, active)
	all.open = func(name string) (io.ReadCloser, error) { return folder.Open(name) }
	return all, nil
}
