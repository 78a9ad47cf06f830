package audit_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
)

// open opens a trail that the test closes.
func open(t *testing.T, dir string, o *audit.Options) *audit.Recorder {
	t.Helper()
	r, err := audit.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// keyOf is the key that checks a trail.
func keyOf(t *testing.T, r *audit.Recorder) note.Verifiers {
	t.Helper()
	text, err := r.Key()
	require.NoError(t, err)
	v, err := note.NewVerifier(text)
	require.NoError(t, err)
	return note.VerifierList(v)
}

// records reads the records of a trail's active file.
func records(t *testing.T, dir string) []audit.Record {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	require.NoError(t, err)
	var all []audit.Record
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !bytes.HasPrefix(line, []byte(`{"seq":`)) {
			require.True(t, bytes.HasPrefix(line, []byte(`{"checkpoint":"`)), "%s", line)
			continue
		}
		r, err := audit.ParseRecord(line)
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	at := time.Now()
	receipt, err := r.Record(t.Context(), audit.Entry{
		Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"),
		OnBehalfOf: audit.Actor{ID: "7", Name: "Owner", Type: "user"},
		Target:     audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
		FlowID:     "f-1", Project: "p-1", Request: "req-1", Run: "run-1",
		IP: netip.MustParseAddr("::ffff:192.0.2.7"), Reason: "new supplier",
		Before: map[string]any{"name": "Sync", "steps": 2}, After: map[string]any{"name": "Sync prices", "steps": 2},
	})
	require.NoError(t, err)
	require.EqualValues(t, 1, receipt.Seq, "0 is the record that the trail was opened")
	point, err := audit.OpenCheckpoint(receipt.Checkpoint, keyOf(t, r))
	require.NoError(t, err)
	require.EqualValues(t, 2, point.Size)

	all := records(t, dir) // durable before the call returned: no Close
	require.Len(t, all, 2)
	require.Equal(t, "steplog.audit.opened", all[0].Event)
	require.Equal(t, "process", all[0].Actor.Type)
	got := all[1]
	require.WithinDuration(t, at, got.Time, time.Minute)
	require.NotEmpty(t, got.ID)
	require.Equal(t, audit.Record{
		Seq: 1, Time: got.Time, ID: got.ID, Topic: "audit", Event: "flow.updated", Title: "Flow Updated",
		Verb: audit.VerbUpdate, Module: "flow", Outcome: audit.Success, Reason: "new supplier",
		Actor:      audit.Actor{ID: "admin@example.com", Email: "admin@example.com", Type: "user"},
		OnBehalfOf: audit.Actor{ID: "7", Name: "Owner", Type: "user"},
		Target:     audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
		FlowID:     "f-1", Project: "p-1", IP: "192.0.2.7", Request: "req-1", Run: "run-1",
		Changes: []audit.Change{{Path: "/name", Op: audit.OpReplace, Before: []byte(`"Sync"`), After: []byte(`"Sync prices"`)}},
		Raw:     got.Raw,
	}, got)
}

func TestManyCallers(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	const callers, each = 16, 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint64]string{}
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				id := strings.Repeat("x", c+1) + "-" + string(rune('a'+i%26))
				receipt, err := r.Record(context.Background(), audit.Entry{Event: audit.FlowStarted, FlowID: id})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[receipt.Seq] = id
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, callers*each)
	for _, rec := range records(t, dir)[1:] {
		require.Equal(t, seen[rec.Seq], rec.FlowID)
	}
	require.NoError(t, r.Close())
	report, err := audit.Verify(t.Context(), dir, nil)
	require.NoError(t, err)
	require.EqualValues(t, callers*each+1, report.Size)
	require.True(t, report.FolderKey)
	require.Equal(t, 1, report.Anchors, "audit.checkpoint")
}

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	own := audit.Event{Name: "shop.order_placed", Module: "shop", Verb: audit.VerbCreate, Title: "Order Placed"}
	r := open(t, dir, &audit.Options{Events: []audit.Event{own}})
	_, err := r.Record(t.Context(), audit.Entry{Event: own})
	require.NoError(t, err)
	_, err = r.Record(t.Context(), audit.Entry{Event: audit.Event{Name: "shop.unknown"}})
	require.ErrorIs(t, err, audit.ErrEvent)
	require.ErrorContains(t, err, `"shop.unknown" is not in the catalogue, to which Options.Events adds`)
	_, err = r.Record(t.Context(), audit.Entry{Event: own, Outcome: "perhaps"})
	require.ErrorIs(t, err, audit.ErrEntry)

	ctx := audit.WithActor(t.Context(), audit.User("a@example.com"))
	ctx = audit.WithOrigin(ctx, audit.Origin{IP: netip.MustParseAddr("2001:db8::1"), From: "peer", Request: "r-9"})
	_, err = r.Record(ctx, audit.Entry{Event: audit.UserLoginFailed, Outcome: audit.Denied})
	require.NoError(t, err)
	all := records(t, dir)
	last := all[len(all)-1]
	require.Equal(t, "a@example.com", last.Actor.Email)
	require.Equal(t, "2001:db8::1", last.IP)
	require.Equal(t, "peer", last.IPFrom)
	require.Equal(t, "r-9", last.Request)

	for _, c := range []struct {
		entry audit.Entry
		topic string
	}{
		{audit.Entry{Event: audit.UserLoggedIn}, "security"},
		{audit.Entry{Event: audit.FlowUpdated, Outcome: audit.Denied}, "security"},
		{audit.Entry{Event: audit.UserLoginFailed, Outcome: audit.Denied}, "security"},
		{audit.Entry{Event: audit.FlowUpdated, Outcome: audit.Failure}, "audit"},
	} {
		_, err = r.Record(ctx, c.entry)
		require.NoError(t, err)
		all = records(t, dir)
		require.Equal(t, c.topic, all[len(all)-1].Topic, c.entry)
	}

	// Long texts are cut and hostile ones stay one line.
	_, err = r.Record(t.Context(), audit.Entry{Event: own, Reason: strings.Repeat("é", 9000), FlowID: "a\n{\"seq\":1}\x00\xff"})
	require.NoError(t, err)
	all = records(t, dir)
	last = all[len(all)-1]
	require.True(t, last.Truncated)
	require.Equal(t, "a\n{\"seq\":1}\x00\uFFFD", last.FlowID)
	require.True(t, strings.HasPrefix(last.Reason, "éé"))
	require.LessOrEqual(t, len(last.Reason), 4096)
}

func TestQueriesAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	receipt, err := r.Record(t.Context(), audit.Entry{Event: audit.LogViewed})
	require.NoError(t, err)
	require.Nil(t, receipt.Checkpoint)
	require.Len(t, records(t, dir), 1)
	require.NoError(t, r.Close())

	r = open(t, dir, &audit.Options{RecordQueries: true})
	receipt, err = r.Record(t.Context(), audit.Entry{Event: audit.LogViewed})
	require.NoError(t, err)
	require.NotNil(t, receipt.Checkpoint)
	require.Len(t, records(t, dir), 3)
}

// ownCause is an error that is its own cause.
type ownCause struct{}

func (e *ownCause) Error() string { return "its own cause" }
func (e *ownCause) Unwrap() error { return e }

func TestDo(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	last := func(n int) []audit.Record {
		all := records(t, dir)
		return all[len(all)-n:]
	}
	state := map[string]any{"on": false}
	e := audit.Entry{Event: audit.FlowUpdated, Before: state, After: state}
	require.NoError(t, r.Do(t.Context(), e, func() error {
		require.Equal(t, audit.Intent, last(1)[0].Outcome, "durable before the act")
		state["on"] = true
		return nil
	}))
	two := last(2)
	require.Equal(t, two[0].Seq, *two[1].Intent)
	require.Equal(t, audit.Success, two[1].Outcome)
	require.Len(t, two[1].Changes, 1)

	broken := errors.New("disk is gone")
	require.ErrorIs(t, r.Do(t.Context(), e, func() error { return broken }), broken)
	require.Equal(t, audit.Failure, last(1)[0].Outcome)
	require.Equal(t, "disk is gone", last(1)[0].Reason)

	require.ErrorIs(t, r.Do(t.Context(), e, func() error { return audit.ErrDenied }), audit.ErrDenied)
	require.Equal(t, audit.Denied, last(1)[0].Outcome)

	require.PanicsWithValue(t, "boom", func() { _ = r.Do(t.Context(), e, func() error { panic("boom") }) })
	require.Equal(t, audit.Panic, last(1)[0].Outcome)
	require.Equal(t, "boom", last(1)[0].Reason)

	endless := &ownCause{}
	require.Same(t, endless, r.Do(t.Context(), e, func() error { return endless }).(interface{ Unwrap() []error }).Unwrap()[0])
	require.Equal(t, audit.Failure, last(1)[0].Outcome)

	before := last(1)[0].Seq
	require.ErrorIs(t, r.Do(t.Context(), e, nil), audit.ErrEntry)
	require.Equal(t, before, last(1)[0].Seq, "no intent of nothing")

	require.NoError(t, r.Close())
	ran := false
	require.ErrorIs(t, r.Do(t.Context(), e, func() error { ran = true; return nil }), audit.ErrUnavailable)
	require.False(t, ran, "what cannot be recorded is not done")
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	for range 3 {
		for range 20 {
			_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted, FlowID: "f"})
			require.NoError(t, err)
		}
		require.NoError(t, r.Rotate(t.Context()))
	}
	key := keyOf(t, r)
	receipt, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStopped, FlowID: "f"})
	require.NoError(t, err)
	require.EqualValues(t, 61, receipt.Seq)
	require.Eventually(t, func() bool {
		packed, _ := filepath.Glob(filepath.Join(dir, "audit-*.log.gz"))
		plain, _ := filepath.Glob(filepath.Join(dir, "audit-*.log"))
		return len(packed) == 3 && len(plain) == 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, r.Close())
	report, err := audit.Verify(t.Context(), dir, &audit.VerifyOptions{Verifiers: key})
	require.NoError(t, err)
	require.EqualValues(t, 62, report.Size)
	require.EqualValues(t, 4, report.Files)

	p, err := audit.OpenProver(dir)
	require.NoError(t, err)
	defer p.Close()
	n := uint64(0)
	many := audit.NewProofChecker(key)
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		proof, err := p.Prove(t.Context(), n)
		require.NoError(t, err)
		require.NoError(t, proof.Check(line, key))
		require.NoError(t, many.Check(proof, line))
		require.ErrorIs(t, many.Check(proof, line[:len(line)-1]), audit.ErrRoot)
		one, err := audit.Prove(t.Context(), dir, n)
		require.NoError(t, err)
		require.NoError(t, one.Check(line, key))
		require.NoError(t, many.Check(one, line))
		one.Checkpoint = bytes.Replace(one.Checkpoint, []byte("\n"), []byte("0\n"), 1)
		require.ErrorIs(t, many.Check(one, line), audit.ErrSignature, "a checkpoint that was not looked at before")
		other := bytes.Replace(line, []byte("audit"), []byte("Audit"), 1)
		require.ErrorIs(t, proof.Check(other, key), audit.ErrRoot)
		require.ErrorIs(t, proof.Check(line, note.VerifierList()), audit.ErrSignature)
		n++
	}
	require.EqualValues(t, 62, n)
	_, err = p.Prove(t.Context(), 62)
	require.ErrorIs(t, err, audit.ErrNotProvable)
	_, err = audit.Prove(t.Context(), dir, 62)
	require.ErrorIs(t, err, audit.ErrNotProvable)
	sidecars, err := filepath.Glob(filepath.Join(dir, "audit-*.hashes"))
	require.NoError(t, err)
	require.Len(t, sidecars, 3)
	require.NoError(t, os.Remove(sidecars[0]))
	require.NoError(t, os.Truncate(sidecars[1], 70))
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		seq := 62 - n
		proof, err := audit.Prove(t.Context(), dir, seq)
		require.NoError(t, err)
		require.NoError(t, many.Check(proof, line), "the text says what the sidecars do not")
		n--
	}

	r = open(t, dir, nil) // and it goes on
	receipt, err = r.Record(t.Context(), audit.Entry{Event: audit.FlowStopped, FlowID: "f"})
	require.NoError(t, err)
	require.EqualValues(t, 63, receipt.Seq)
}

// Who has no context waits as long as one without an end does.
func TestNoContext(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	var none context.Context
	_, err := r.Record(none, audit.Entry{Event: audit.FlowUpdated})
	require.NoError(t, err)
	require.NoError(t, r.Do(none, audit.Entry{Event: audit.FlowUpdated}, func() error { return nil }))
	require.NoError(t, r.Hold(none, audit.Hold{ID: "h", FlowID: "f"}))
	require.NoError(t, r.Release(none, "h"))
	require.Len(t, records(t, dir), 6)
	require.NoError(t, r.Rotate(none))
	require.NoError(t, r.Reopen(none))
}
