package logger

import (
	"context"
	"fmt"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// MarkArchived records that what a main or sub log holds was also stored
// elsewhere; id is that of the log. It returns [ErrRunUnknown] when there is no
// such log, and [ErrDropped] when it could not be recorded. Marking twice is fine.
func (s *Store) MarkArchived(ctx context.Context, id uint64) error {
	if s.none() || s.closed.Load() {
		return ErrClosed
	}
	ctx = orBackground(ctx)
	unknown := fmt.Errorf("mark log %d archived: %w", id, ErrRunUnknown)
	if id == 0 {
		return unknown
	}
	runs, err := s.engine.MainLogs(ctx, query.RunFilter{ID: id}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	if len(runs.Items) > 0 {
		if known := s.journal.Run(runs.Items[0].Run); known != nil {
			return s.markArchived(line.KindRun, "run archived", known.Seq, known.Identity, known.State().Archived)
		}
	}
	steps, err := s.engine.SubLogs(ctx, query.StepFilter{ID: id}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	if len(steps.Items) > 0 {
		if known := s.journal.Run(steps.Items[0].Run); known != nil {
			for _, step := range known.Steps() {
				if step.Seq == id {
					return s.markArchived(line.KindStep, "step archived", id, step.Identity, step.State().Archived)
				}
			}
		}
	}
	return unknown
}

func (s *Store) markArchived(kind line.Kind, message string, id uint64, identity *line.Identity, already bool) error {
	if already {
		return nil
	}
	lc := line.Lifecycle{Phase: line.PhaseUpdate, ID: id, Archived: true}
	e := line.Entry{Time: s.now(), Level: levels.Info, Kind: kind, Message: message, Lifecycle: &lc}
	if _, err := s.append(s.file(FileUsage), s.journal.Owner(*identity), &e, nil); err != nil {
		return fmt.Errorf("mark log %d archived: %w", id, dropped(err))
	}
	return nil
}
