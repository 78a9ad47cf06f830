package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// inStep opens a store with default options and starts a run and a step in it.
func inStep(dir string) (*logger.Store, *logger.Logger, func() error, error) {
	store, err := logger.Open(dir, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, run := store.Server(server).Service(service).Operation(operation).
		Start(context.Background(), logger.ID(runID), logger.Project(project))
	ctx, step := logger.StartStep(ctx, action, logger.ID(stepID), logger.Attempt(1))
	end := func() error {
		step.End(nil, nil)
		run.End(nil)
		dropped := store.Stats().Dropped
		if err := store.Close(); err != nil {
			return err
		}
		if dropped != 0 {
			return fmt.Errorf("steplog dropped %d records", dropped)
		}
		return nil
	}
	return store, logger.FromContext(ctx), end, nil
}

func steplogCall(l *logger.Logger) func(int, *sample) {
	return func(n int, s *sample) {
		l.Info(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}
}

func openSteplog(dir string) (*target, error) {
	_, l, end, err := inStep(dir)
	if err != nil {
		return nil, err
	}
	return &target{log: steplogCall(l), close: end, read: readLog(dir, "user")}, nil
}

// openSteplogClosed ends each round with a rotation and waits until the closed
// file is compressed: what a record costs altogether.
func openSteplogClosed(dir string) (*target, error) {
	store, l, end, err := inStep(dir)
	if err != nil {
		return nil, err
	}
	closed := func() error {
		if err := store.Rotate(context.Background(), "user"); err != nil {
			return err
		}
		for {
			list, err := store.Files().List()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(list, func(i rotation.Info) bool { return i.Log == "user" && !i.Active && !i.Compressed }) {
				return end()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return &target{log: steplogCall(l), close: closed, read: readLog(dir, "user")}, nil
}

func openSteplogSecrets(dir string) (*target, error) {
	store, l, end, err := inStep(dir)
	if err != nil {
		return nil, err
	}
	for i := range 16 {
		if err := store.AddSecret(fmt.Sprintf("s3cr3t-%02d-%s", i, strings.Repeat("x7", i+4))); err != nil {
			return nil, err
		}
	}
	return &target{log: steplogCall(l), close: end, read: readLog(dir, "user")}, nil
}

func openSteplogZap(dir string) (*target, error) {
	_, l, end, err := inStep(dir)
	if err != nil {
		return nil, err
	}
	return &target{log: zapCall(l.Zap()), close: end, read: readLog(dir, "user")}, nil
}

func openSteplogDisabled(dir string) (*target, error) {
	_, l, end, err := inStep(dir)
	if err != nil {
		return nil, err
	}
	log := func(n int, s *sample) {
		l.Debug(s.message, zap.Int("n", n), zap.String("sku", s.sku), zap.String("warehouse", s.warehouse),
			zap.Int("rows", s.rows), zap.Float64("price", s.price), zap.Bool("cached", s.cached), zap.Duration("took", s.took))
	}
	return &target{log: log, close: end}, nil
}

// readLog returns a function that reads all files of one log, the oldest first,
// compressed ones included.
func readLog(dir, log string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		folder, err := rotation.OpenFolder(dir)
		if err != nil {
			return nil, err
		}
		list, err := folder.List()
		if err != nil {
			return nil, errors.Join(err, folder.Close())
		}
		all := &joined{end: folder.Close}
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
}
