package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// A flow that is edited between two starts shows in the audit trail, with what
// was changed, and the page in the access log.
func TestEditedFlow(t *testing.T) {
	t.Parallel()
	dir, flows := filepath.Join(t.TempDir(), "logs"), t.TempDir()
	launch := func(flow string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(flows, "hello.json"), []byte(flow), 0o600))
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitDone, start(t.Context(), []string{"-dir", dir, "-flows", flows, "-runs", "1"}, &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), "verified with the key")
	}
	launch(`{"id":"hello","name":"Hello","project":"mine","actions":[{"id":"say","use":"system/log","with":{"label":"A","value":1}}]}`)
	launch(`{"id":"hello","name":"Hello","project":"mine","actions":[{"id":"say","use":"system/log","with":{"label":"B","value":1}}]}`)

	engine, err := query.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, engine.Close()) }()
	page, err := engine.Audit(t.Context(), query.AuditFilter{FlowID: "hello"}, query.Paging{Oldest: true})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.Equal(t, audit.FlowCreated.Name, page.Items[0].Event)
	updated := page.Items[1]
	require.Equal(t, audit.FlowUpdated.Title, updated.Title)
	require.Equal(t, operator.Email, updated.Actor.Email)
	require.Equal(t, "mine", updated.Project)
	require.Equal(t, []audit.Change{{Path: "/actions/[say]/with/label", Op: audit.OpReplace, Before: []byte(`"A"`), After: []byte(`"B"`)}}, updated.Changes)

	page, err = engine.Audit(t.Context(), query.AuditFilter{FlowID: "price-sync"}, query.Paging{Oldest: true})
	require.NoError(t, err)
	var events []string
	for _, r := range page.Items {
		events = append(events, r.Event)
	}
	require.Equal(t, []string{"flow.created", "flow.started", "flow.stopped", "flow.started", "flow.stopped"}, events)
	requests, err := engine.Access(t.Context(), query.AccessFilter{}, query.Paging{})
	require.NoError(t, err)
	require.Len(t, requests.Items, 2)
	require.Equal(t, "Example Ltd", requests.Items[0].Tenant)
	require.Equal(t, "LAN", requests.Items[0].Origin.Network)
	require.True(t, slices.IsSortedFunc(page.Items, func(a, b audit.Record) int { return int(a.Seq) - int(b.Seq) }))
}
