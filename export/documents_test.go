package export_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

func TestMainAndSubLogs(t *testing.T) {
	t.Parallel()

	t.Run("R2.1 library: main and sub logs have the fields of the document's example", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, _ := s.flow().Start(t.Context(), logger.ID("execution-1"), logger.TriggeredBy("test@example.com\n"))
		s.set(t, "2023-06-23T11:33:17.898Z")
		_, login := logger.StartStep(ctx, "login", logger.DisplayName("Login"), logger.ID("step-1"), logger.Order(2))
		login.Add(query.Counts{Processed: 1})
		s.set(t, "2023-06-23T11:33:42.00073Z")
		login.End(nil, nil)
		_, read := logger.StartStep(ctx, "read_data_from_erp", logger.DisplayName("Read Data From ERP"),
			logger.ID("step-2"), logger.Order(4), logger.Attempt(2), logger.Iteration(6, "A-1"))
		read.Add(query.Counts{Processed: 3, Succeeded: 2, Failed: 1, Fragments: 7})

		main := s.MainLogs(t)[0]
		text := string(s.document(t, main.ID).Log)
		require.Equal(t, []string{"created", "id", "process_group_id", "process_group_name", "parent_process_group_id",
			"original_filename_uuid", "filename_uuid", "state", "status", "finished", "fragment_count", "process_count",
			"success_count", "fail_count", "in_bound", "schedule", "is_triggered", "triggered_by", "log_type",
			"flow_order", "is_send_S3", "sub_flows"}, keys(t, text))
		want, err := json.Marshal(map[string]any{
			"created": "1687519997186", "id": main.ID,
			"process_group_id": "flow-1", "process_group_name": "price", "parent_process_group_id": nil,
			"original_filename_uuid": "execution-1", "filename_uuid": "execution-1",
			"state": 2, "status": 1, "finished": nil, "fragment_count": nil,
			"process_count": 0, "success_count": 0, "fail_count": 0,
			"in_bound": false, "schedule": nil, "is_triggered": true, "triggered_by": "test@example.com",
			"log_type": 1, "flow_order": 1, "is_send_S3": 0,
			"sub_flows": []map[string]any{{
				"created": "2023-06-23T11:33:17.898+00:00", "id": main.SubLogs[0].ID,
				"process_group_id": "login", "process_group_name": "Login", "parent_process_group_id": "flow-1",
				"original_filename_uuid": "execution-1", "filename_uuid": "step-1",
				"state": 3, "status": 2, "finished": "2023-06-23T11:33:42.00073+00:00",
				"process_count": 1, "success_count": 0, "fail_count": 0,
				"in_bound": false, "schedule": nil, "is_triggered": true, "triggered_by": "test@example.com",
				"log_type": 2, "flow_order": 2, "is_send_S3": 0, "fragment_count": nil, "row_num": 1,
			}, {
				"created": "2023-06-23T11:33:42.00073+00:00", "id": main.SubLogs[1].ID,
				"process_group_id": "read_data_from_erp", "process_group_name": "Read Data From ERP",
				"parent_process_group_id": "flow-1", "original_filename_uuid": "execution-1", "filename_uuid": "step-2",
				"state": 2, "status": 1, "finished": nil,
				"process_count": 3, "success_count": 2, "fail_count": 1,
				"in_bound": false, "schedule": nil, "is_triggered": true, "triggered_by": "test@example.com",
				"log_type": 2, "flow_order": 4, "is_send_S3": 0, "fragment_count": 7, "row_num": 7,
			}},
		})
		require.NoError(t, err)
		require.JSONEq(t, string(want), text)

		sub := string(s.document(t, main.SubLogs[1].ID).Log)
		require.Equal(t, []string{"created", "id", "process_group_id", "process_group_name", "parent_process_group_id",
			"original_filename_uuid", "filename_uuid", "state", "status", "finished", "process_count", "success_count",
			"fail_count", "in_bound", "schedule", "is_triggered", "triggered_by", "log_type", "flow_order", "is_send_S3",
			"fragment_count", "row_num"}, keys(t, sub))
		var whole struct {
			SubFlows []json.RawMessage `json:"sub_flows"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &whole))
		require.JSONEq(t, string(whole.SubFlows[1]), sub, "a sub log is the same by itself and in its main log")
	})

	t.Run("R2.1 library: states and statuses", func(t *testing.T) {
		t.Parallel()
		f := func(name string, state, status int, act func(*logger.Run, *logger.Step)) {
			t.Helper()
			s := newStore(t)
			ctx, run := s.flow().Start(t.Context())
			var step *logger.Step
			if act != nil {
				_, step = logger.StartStep(ctx, "fetch")
				act(run, step)
			}
			main := s.MainLogs(t)[0]
			log := s.log(t, main.ID)
			require.EqualValues(t, state, log["state"], name)
			require.EqualValues(t, status, log["status"], name)
		}
		f("nothing happened yet", 1, 1, nil)
		f("a step started", 2, 1, func(*logger.Run, *logger.Step) {})
		f("success without counts", 3, 2, func(r *logger.Run, s *logger.Step) { s.End(nil, nil); r.End(nil) })
		f("success", 3, 2, func(r *logger.Run, _ *logger.Step) { r.Add(query.Counts{Processed: 1}); r.End(nil) })
		f("failure", 3, 3, func(r *logger.Run, _ *logger.Step) { r.End(errors.New("no")) })
		f("empty", 3, 4, func(r *logger.Run, _ *logger.Step) { r.Add(query.Counts{}); r.End(nil) })
		f("empty but failed items", 3, 2, func(r *logger.Run, _ *logger.Step) { r.Add(query.Counts{Failed: 1}); r.End(nil) })
		f("empty but failed", 3, 3, func(r *logger.Run, _ *logger.Step) { r.Add(query.Counts{}); r.EndAs(query.Panicked, nil) })
		f("cancelled", 3, 3, func(r *logger.Run, _ *logger.Step) { r.EndAs(query.Cancelled, nil) })
		f("skipped", 3, 2, func(r *logger.Run, _ *logger.Step) { r.EndAs(query.Skipped, nil) })
		f("continued", 3, 2, func(r *logger.Run, _ *logger.Step) { r.EndAs(query.Continued, nil) })
	})

	t.Run("R2.1 library: a count alone puts a run in progress", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		_, run := s.flow().Start(t.Context())
		run.Add(query.Counts{Processed: 2, Succeeded: 1, Failed: 1, Fragments: 3})
		log := s.log(t, s.MainLogs(t)[0].ID)
		require.EqualValues(t, 2, log["state"])
		require.EqualValues(t, 2, log["process_count"])
		require.EqualValues(t, 1, log["success_count"])
		require.EqualValues(t, 1, log["fail_count"])
		require.EqualValues(t, 3, log["fragment_count"])
		require.Equal(t, []any{}, log["sub_flows"], "[] and not null")
	})

	t.Run("R2.1 library: who and what started a run, repeated by its steps", func(t *testing.T) {
		t.Parallel()
		f := func(triggered bool, by string, schedule any, inbound bool, options ...logger.RunOption) {
			t.Helper()
			s := newStore(t)
			ctx, _ := s.flow().Start(t.Context(), options...)
			logger.StartStep(ctx, "fetch")
			main := s.MainLogs(t)[0]
			for _, id := range []uint64{main.ID, main.SubLogs[0].ID} {
				log := s.log(t, id)
				require.Equal(t, triggered, log["is_triggered"])
				require.Equal(t, by, log["triggered_by"])
				require.Equal(t, schedule, log["schedule"])
				require.Equal(t, inbound, log["in_bound"])
			}
		}
		f(false, "System", nil, false)
		f(false, "System", nil, false, logger.TriggeredBy("System"))
		f(false, "System", nil, false, logger.TriggeredBy(" \n"))
		f(true, "test@example.com", nil, false, logger.TriggeredBy(" test@example.com\r\n"))
		f(false, "System", "*/5 * * * *", true, logger.Schedule("*/5 * * * *"), logger.Inbound())
	})

	t.Run("R2.1 library: flows and actions without a name are called by their id, child runs name their flow's parent", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, _ := s.flow().Start(t.Context())
		actx, _ := logger.StartStep(ctx, "call")
		s.Server("edge-1").Service("orders").Operation("flow-2", logger.ParentFlow("flow-0")).Start(actx)
		s.Server("edge-1").Service("orders").Operation("flow-3").Start(actx)
		mains := s.MainLogs(t)
		require.Len(t, mains, 3)
		child := s.log(t, mains[1].ID)
		require.Equal(t, "flow-2", child["process_group_name"])
		require.Equal(t, "flow-0", child["parent_process_group_id"])
		require.EqualValues(t, 1, child["log_type"], "a child run is a main log of its own")
		require.Equal(t, "flow-1", s.log(t, mains[2].ID)["parent_process_group_id"])
		require.Equal(t, "call", s.log(t, mains[0].SubLogs[0].ID)["process_group_name"])
	})

	t.Run("R2.1 library: steps without an order are numbered from 2, sub_flows has the first 1,000 in order", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, run := s.flow().Start(t.Context())
		for range 1005 {
			_, step := logger.StartStep(ctx, "fetch")
			step.End(nil, nil)
		}
		run.End(nil)
		d := s.document(t, s.MainLogs(t)[0].ID)
		var log struct {
			SubFlows []struct {
				Order int `json:"flow_order"`
			} `json:"sub_flows"`
		}
		require.NoError(t, json.Unmarshal(d.Log, &log))
		require.Len(t, log.SubFlows, 1000)
		for i, sub := range log.SubFlows {
			require.Equal(t, i+2, sub.Order)
		}
		require.Len(t, d.Steps, 1005, "the download has all of them")
	})
}

func TestDates(t *testing.T) {
	t.Parallel()
	t.Run("R2.4 library: main logs have milliseconds, the others ISO 8601 with trailing zeros cut", func(t *testing.T) {
		t.Parallel()
		f := func(now, milliseconds, iso string) {
			t.Helper()
			s := newStore(t)
			s.set(t, now)
			ctx, run := s.flow().Start(t.Context())
			actx, step := logger.StartStep(ctx, "fetch")
			logger.FromContext(actx).Info("line")
			main := s.MainLogs(t)[0]
			log, sub := s.log(t, main.ID), s.log(t, main.SubLogs[0].ID)
			require.Equal(t, milliseconds, log["created"])
			require.Equal(t, iso, sub["created"])
			require.Nil(t, log["finished"], "null while unfinished")
			require.Nil(t, sub["finished"], "null while unfinished")
			require.Equal(t, iso, s.log(t, s.lineID(t))["created"])
			step.End(nil, nil)
			run.End(nil)
			require.Equal(t, milliseconds, s.log(t, main.ID)["finished"])
			require.Equal(t, iso, s.log(t, main.SubLogs[0].ID)["finished"])
		}
		f("2023-06-23T11:33:17.186Z", "1687519997186", "2023-06-23T11:33:17.186+00:00")
		f("2023-06-23T11:33:17.898Z", "1687519997898", "2023-06-23T11:33:17.898+00:00")
		f("2023-06-23T11:33:42.00073Z", "1687520022000", "2023-06-23T11:33:42.00073+00:00")
		f("2023-06-23T11:33:18.46Z", "1687519998460", "2023-06-23T11:33:18.46+00:00")
		f("2023-06-23T11:33:42.000768Z", "1687520022000", "2023-06-23T11:33:42.000768+00:00")
		f("2023-06-23T11:33:42.000768999Z", "1687520022000", "2023-06-23T11:33:42.000768+00:00")
		f("2023-06-23T13:33:42+02:00", "1687520022000", "2023-06-23T11:33:42+00:00")
	})
}

func TestLineLogs(t *testing.T) {
	t.Parallel()

	t.Run("R2.5 library: a line log has the keys of its sub log that apply, level, label, message and fields", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, _ := s.flow().Start(t.Context(), logger.ID("execution-1"))
		actx, _ := logger.StartStep(ctx, "read_data_from_erp", logger.DisplayName("Read Data From ERP"),
			logger.ID("step-1"), logger.Order(4), logger.Iteration(2, nil))
		logger.FromContext(actx).Label("Test").Warn("price <refused>", zap.String("sku", "A-1"), zap.Int("rows", 42))
		id := s.lineID(t)
		text := string(s.document(t, id).Log)
		require.Equal(t, []string{"created", "id", "process_group_id", "process_group_name", "parent_process_group_id",
			"original_filename_uuid", "filename_uuid", "log_type", "flow_order", "row_num", "level", "label", "message",
			"fields"}, keys(t, text))
		want, err := json.Marshal(map[string]any{
			"created": "2023-06-23T11:33:17.186+00:00", "id": id, "log_type": 3,
			"process_group_id": "read_data_from_erp", "process_group_name": "Read Data From ERP",
			"parent_process_group_id": "flow-1", "original_filename_uuid": "execution-1", "filename_uuid": "step-1",
			"flow_order": 4, "row_num": 3, "level": "WARN", "label": "Test", "message": "price <refused>",
			"fields": map[string]any{"sku": "A-1", "rows": 42},
		})
		require.NoError(t, err)
		require.JSONEq(t, string(want), text)
		require.Contains(t, text, "<refused>", "nothing is escaped for pages")
	})

	t.Run("R2.5 library: a line outside a step belongs to its flow", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		_, run := s.flow().Start(t.Context(), logger.ID("execution-1"))
		run.Info("line")
		log := s.log(t, s.lineID(t))
		require.Equal(t, "flow-1", log["process_group_id"])
		require.Equal(t, "price", log["process_group_name"])
		require.Nil(t, log["parent_process_group_id"])
		require.Equal(t, "execution-1", log["original_filename_uuid"])
		require.Equal(t, "execution-1", log["filename_uuid"])
		require.EqualValues(t, 1, log["flow_order"])
		require.EqualValues(t, 1, log["row_num"])
		require.Equal(t, "", log["label"])
		require.Equal(t, map[string]any{}, log["fields"])
	})

	t.Run("R2.5 library: the value of system/log is a field, and an error is not lost", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, _ := s.flow().Start(t.Context())
		logger.Value(ctx, levels.Info, "Test", map[string]any{"sku": "A-1"})
		log := s.log(t, s.lineID(t))
		require.Equal(t, "Test", log["label"])
		require.Equal(t, map[string]any{"value": map[string]any{"sku": "A-1"}}, log["fields"])

		logger.FromContext(ctx).Error("price refused", zap.Error(errors.New("no such sku")), logger.Code("E42"))
		require.Equal(t, map[string]any{"message": "no such sku", "code": "E42"}, s.log(t, s.lineID(t))["error"])
	})
}

// MainLogs returns all runs, oldest first.
func (s *store) MainLogs(t *testing.T) []query.MainLog {
	t.Helper()
	page, err := s.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{Oldest: true})
	require.NoError(t, err)
	return page.Items
}

// lineID returns the id of the newest line log.
func (s *store) lineID(t *testing.T) uint64 {
	t.Helper()
	page, err := s.Query().LineLogs(t.Context(), query.Filter{}, query.Paging{Limit: 1})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	return page.Items[0].Seq
}
