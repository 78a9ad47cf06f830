package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/steplog/steplog/audit"
	"golang.org/x/mod/sumdb/note"
)

// operator is who starts the program.
var operator = audit.User("operator@example.com") // immutable

// flowsFile holds the flows as they were at the last start, so that the next one
// can say what was changed. It lies beside the logs.
const flowsFile = "flows.json"

// recordFlows records which flows were created, updated and deleted since the
// last start, with what differs.
func (p *program) recordFlows(ctx context.Context) error {
	path := filepath.Join(p.dir, flowsFile)
	before := map[string]json.RawMessage{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the flows of the last start: %s, without which all flows are new: %w", path, err)
	}
	after := map[string]json.RawMessage{}
	for id, flow := range p.engine.flows {
		if after[id], err = json.Marshal(flow); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(after)) {
		was, known := before[id]
		switch {
		case !known:
			err = p.recordFlow(ctx, audit.FlowCreated, id, nil, after[id])
		case !bytes.Equal(compact(was), compact(after[id])):
			err = p.recordFlow(ctx, audit.FlowUpdated, id, was, after[id])
		}
		if err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[id]; there {
			continue
		}
		if err := p.recordFlow(ctx, audit.FlowDeleted, id, before[id], nil); err != nil {
			return err
		}
	}
	if text, err = json.MarshalIndent(after, "", "  "); err != nil {
		return err
	}
	// In one step: a full disk, or a kill, leaves the flows of the start before.
	if err = os.WriteFile(path+".tmp", text, 0o600); err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+".tmp"))
	}
	return nil
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	return b.Bytes()
}

// recordFlow records one act on a flow. When it returns nil the record is on the
// disk and signed.
func (p *program) recordFlow(ctx context.Context, event audit.Event, id string, before, after json.RawMessage) error {
	e := audit.Entry{Event: event, FlowID: id, Target: audit.Target{Type: "flow", ID: id}}
	if flow := p.engine.flows[id]; flow != nil {
		e.Target.Name, e.Project = flow.Name, flow.Project
	}
	if before != nil {
		e.Before = before
	}
	if after != nil {
		e.After = after
	}
	_, err := p.store.Audit().Record(audit.WithActor(ctx, operator), e)
	return err
}

// recordAll records the same act on every flow that starts by itself.
func (p *program) recordAll(ctx context.Context, event audit.Event) error {
	for _, id := range append(p.engine.startable("repeat"), p.engine.startable("once")...) {
		if err := p.recordFlow(ctx, event, id, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// printVerified checks the trail as anybody can who has the folder, and prints
// the checkpoint. The store is closed.
func printVerified(ctx context.Context, w io.Writer, dir, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	report, err := audit.Verify(ctx, dir, &audit.VerifyOptions{Verifiers: note.VerifierList(verifier)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\naudit trail: %d records under %d checkpoints, verified with the key\n%s\n\n%s",
		report.Size-report.First, report.Checkpoints, key, report.Checkpoint.Note)
	return err
}
