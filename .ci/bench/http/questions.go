package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/steplog/steplog/ci/bench/workflow"
)

// shape is what there is to ask for.
type shape struct {
	runs       int
	first, end time.Time
}

// shapeOf asks a server what it has.
func shapeOf(base string) (shape, error) {
	var s shape
	var page struct {
		Data struct {
			Total   int
			Entries []struct {
				Timestamp time.Time
				Run       string
			}
		}
	}
	for _, end := range []struct {
		order string
		t     *time.Time
	}{{"asc", &s.first}, {"desc", &s.end}} {
		answer, err := http.Get(base + "/entries?kind=line&in=user&limit=1&order=" + end.order)
		if err != nil {
			return s, err
		}
		err = json.NewDecoder(answer.Body).Decode(&page)
		if err := answer.Body.Close(); err != nil {
			return s, err
		}
		if err != nil || len(page.Data.Entries) == 0 {
			return s, fmt.Errorf("the folder has no lines (%v)", err)
		}
		*end.t = page.Data.Entries[0].Timestamp
	}
	s.runs = max(1, page.Data.Total/160)
	return s, nil
}

// question is one kind of question, with constants that change.
type question struct {
	name string
	path func(shape, *rand.Rand) string
}

// questions are what people and programs ask, as often as one another.
var questions = []question{ // immutable
	{"main logs of a flow", func(_ shape, r *rand.Rand) string {
		op := r.IntN(workflow.Operations)
		return fmt.Sprintf("/logs?log_type=1&limit=20&flowId=%s&projectid=p-%d", workflow.Operation(op), op%9)
	}},
	{"the steps of a run", func(s shape, r *rand.Rand) string { return "/runs/" + s.run(r) + "/steps" }},
	{"the lines of a run", func(s shape, r *rand.Rand) string { return "/entries?limit=100&runId=" + s.run(r) }},
	{"a field in a run", func(s shape, r *rand.Rand) string {
		return "/entries?field.1=status&value.1=404&runId=" + s.run(r)
	}},
	{"a field over all", func(_ shape, r *rand.Rand) string {
		return "/entries?limit=20&field.1=sku&value.1=" + workflow.SKU(r.IntN(workflow.SKUs))
	}},
	{"level, service, a tenth of the time", func(s shape, r *rand.Rand) string {
		from, to := s.tenth(r)
		return fmt.Sprintf("/logs?limit=50&level=ERROR&service=%s&startDate=%s&endDate=%s", workflow.Service(r.IntN(workflow.Services)), from, to)
	}},
	{"a rare word", func(_ shape, r *rand.Rand) string {
		return "/logs?limit=50&search=" + workflow.Rare(r.IntN(workflow.RareWords))
	}},
	{"a common word", func(_ shape, r *rand.Rand) string {
		return fmt.Sprintf("/logs?limit=50&offset=%d&search=%s", r.IntN(500), workflow.Common)
	}},
	{"conditions as text in a run", func(s shape, r *rand.Rand) string {
		return "/entries?limit=20&runId=" + s.run(r) + "&q=" + url.QueryEscape("status:>=500 -level:debug")
	}},
	{"part of a word", func(_ shape, r *rand.Rand) string {
		return "/logs?limit=50&search=" + workflow.Rare(r.IntN(workflow.RareWords))[2:7]
	}},
	{"a histogram of a tenth of the time", func(s shape, r *rand.Rand) string {
		from, to := s.tenth(r)
		return fmt.Sprintf("/histogram?startDate=%s&endDate=%s", from, to)
	}},
}

// run names a run; the last of them may not be there.
func (s shape) run(r *rand.Rand) string { return workflow.Run(r.IntN(s.runs)) }

// tenth is a tenth of the time.
func (s shape) tenth(r *rand.Rand) (from, to string) {
	length := s.end.Sub(s.first) / 10
	start := s.first.Add(time.Duration(r.Float64() * 9 * float64(length)))
	return start.Format(time.RFC3339Nano), start.Add(length).Format(time.RFC3339Nano)
}

// ask sends a question and reads the whole answer.
func ask(c *http.Client, target string) (status int, size int64, err error) {
	answer, err := c.Get(target)
	if err != nil {
		return 0, 0, err
	}
	size, err = io.Copy(io.Discard, answer.Body)
	if end := answer.Body.Close(); err == nil {
		err = end
	}
	return answer.StatusCode, size, err
}

// fits reports whether a status is an answer: a run or page that is not there is
// one too.
func fits(status int) bool { return status == http.StatusOK || status == http.StatusNotFound }
