package httpapi

import (
	_ "embed"
	"encoding/json"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// openAPI describes the whole handler; it is written by hand.
//
//go:embed openapi.yaml
var openAPI []byte

// document serves the description of this API.
func (q *request) document() error {
	q.w.Header().Set("Content-Type", "application/yaml")
	_, err := q.w.Write(openAPI)
	return err
}

// health says that the process answers, and nothing of what it holds.
func (q *request) health() error {
	return q.json(struct {
		Status string `json:"status"`
	}{"ok"})
}

// figures are counters of the store or one of its files.
type figures struct {
	Records        int64            `json:"records"`
	Bytes          int64            `json:"bytes"`
	Dropped        int64            `json:"dropped"`
	DroppedByLevel map[string]int64 `json:"dropped_by_level"`
}

// stats serves the store's counters and the newest performance event: health
// at a glance.
func (q *request) stats() error {
	if err := q.params().done(); err != nil {
		return err
	}
	s := q.store.Stats()
	data := struct {
		figures
		Mode        string             `json:"mode"`
		Waiting     int64              `json:"waiting_bytes"`
		RingBytes   int64              `json:"ring_bytes"`
		Failing     bool               `json:"failing"`
		OpenRuns    int                `json:"open_runs"`
		Problems    int64              `json:"problems"`
		LastProblem string             `json:"last_problem,omitempty"`
		Files       map[string]figures `json:"files"`
		Performance json.RawMessage    `json:"performance"` // the line, null when none is kept
	}{
		figures: figures{s.Records, s.Bytes, s.Dropped, levelCounts(s.DroppedByLevel)},
		Mode:    s.Mode.String(), Waiting: s.Waiting, RingBytes: s.RingBytes, Failing: s.Failing,
		OpenRuns: s.OpenRuns, Problems: s.Problems,
		Files: map[string]figures{}, Performance: json.RawMessage("null"),
	}
	if s.LastProblem != nil {
		data.LastProblem = s.LastProblem.Error()
	}
	for name, f := range s.Files {
		data.Files[name] = figures{f.Records, f.Bytes, f.Dropped, levelCounts(f.DroppedByLevel)}
	}
	page, err := q.view.Records(query.PartOf(q.ctx), query.Filter{Kinds: []query.Kind{query.KindEvent}, Files: []string{logger.FileApplication},
		Topic: "performance"}, query.Paging{Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Items) > 0 {
		data.Performance = page.Items[0].Raw
	}
	return q.success(data)
}
