package logger_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/audit/tiles"
	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/export/archive"
	"github.com/steplog/steplog/export/otlp"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// clean fails when a canary stands in some bytes: as they are, in a zip or
// compressed file, or in base64.
func clean(t *testing.T, canary, what string, text []byte) {
	t.Helper()
	require.NotEmpty(t, text, what)
	forms := []string{canary}
	for shift := range 3 {
		coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canary))
		forms = append(forms, coded[4:len(coded)-4])
	}
	for _, form := range forms {
		require.NotContains(t, string(text), form, what)
	}
	if archive, err := zip.NewReader(bytes.NewReader(text), int64(len(text))); err == nil {
		for _, file := range archive.File {
			require.NotContains(t, file.Name, canary)
			in, err := file.Open()
			require.NoError(t, err)
			inside, err := io.ReadAll(in)
			require.NoError(t, err)
			require.NoError(t, in.Close())
			if len(inside) > 0 {
				clean(t, canary, what+": "+file.Name, inside)
			}
		}
	}
}

// TestCanary puts a registered secret through every door there is and looks for
// it behind every other one.
func TestCanary(t *testing.T) {
	t.Parallel()
	const canary = "canary-5ecret-value-of-a-length"
	for _, compression := range []rotation.Compression{rotation.Gzip, rotation.Zstd} {
		dir := t.TempDir()
		store := trailStore(t, dir, logger.Options{Rule: rotation.Rule{Compression: compression},
			Access: &access.Options{Query: true, Attributes: func(*http.Request) map[string]string { return map[string]string{"a": canary, canary: "b"} }}})
		require.NoError(t, store.AddSecret(canary))
		ctx := audit.WithOrigin(audit.WithActor(t.Context(), audit.User(canary)), audit.Origin{Request: canary})
		everywhere(t, store, canary)
		all := audit.Entry{Event: audit.FlowUpdated, Actor: audit.Actor{ID: canary, Email: canary, Name: canary, Type: canary},
			OnBehalfOf: audit.User(canary), Target: audit.Target{Type: canary, ID: canary, Name: canary}, FlowID: canary, Project: canary,
			Request: canary, Run: canary, Reason: "because " + canary,
			Before: map[string]any{"a": canary, canary: 1, "list": []string{canary}}, After: map[string]any{"a": canary + "!", canary: 2}}
		receipt := record(t, store, all)
		require.Error(t, store.Audit().Do(ctx, audit.Entry{Event: audit.FlowDeleted, FlowID: canary}, func() error { return fs.ErrNotExist }))
		require.Panics(t, func() {
			_ = store.Audit().Do(ctx, audit.Entry{Event: audit.FlowDeleted}, func() error { panic(canary) })
		})
		require.NoError(t, store.Audit().Hold(ctx, audit.Hold{ID: "h", FlowID: "f", Reason: "because " + canary}))
		request := httptest.NewRequest("GET", "/p/"+canary+"?q="+canary, nil)
		for _, key := range []string{"User-Agent", "Referer", "X-Request-Id"} {
			request.Header.Set(key, canary)
		}
		request.Host = canary
		store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			access.SetAccount(r.Context(), canary, canary)
			access.SetMemo(r.Context(), canary)
		})).ServeHTTP(httptest.NewRecorder(), request)
		require.NoError(t, store.Rotate(ctx, "user"))
		everywhere(t, store, canary)

		q := store.Query()
		runs, err := q.MainLogs(ctx, query.RunFilter{}, query.Paging{})
		require.NoError(t, err)
		require.NotEmpty(t, runs.Items)
		id := runs.Items[0].ID
		requests := func() iter.Seq2[access.Record, error] { return q.AllAccess(ctx, query.AccessFilter{}) }
		bucket := t.TempDir()
		folder, err := archive.OpenFolder(bucket)
		require.NoError(t, err)
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(body, []byte(canary)) {
				t.Error("sent", err)
			}
		}))
		defer receiver.Close()
		count := func(_ int64, err error) error { return err }
		for what, write := range map[string]func(io.Writer) error{
			"R6.2 library: NDJSON":              func(w io.Writer) error { return count(export.NDJSON(w, q.All(ctx, query.Filter{}))) },
			"R6.2 library: CSV":                 func(w io.Writer) error { return count(export.CSV(w, q.All(ctx, query.Filter{}), nil)) },
			"R6.2 library: a zip of a log":      func(w io.Writer) error { return export.Zip(ctx, w, q, id) },
			"R6.2 library: a zip of the files":  func(w io.Writer) error { return export.Files(ctx, w, store.Files()) },
			"R6.2 library: OTLP as JSON":        func(w io.Writer) error { return count(otlp.WriteJSON(w, q.All(ctx, query.Filter{}))) },
			"R6.2 library: requests as CSV":     func(w io.Writer) error { return count(export.AccessCSV(w, requests(), nil)) },
			"R6.2 library: requests as NCSA":    func(w io.Writer) error { return access.NCSA(w, requests()) },
			"R6.2 library: requests as W3C":     func(w io.Writer) error { return access.W3C(w, requests()) },
			"R6.2 library: a reader of a query": func(w io.Writer) error { return count(io.Copy(w, q.Reader(ctx, query.Filter{}))) },
			"R6.2 library: pages of runs and steps": func(w io.Writer) error {
				steps, err := q.SubLogs(ctx, query.StepFilter{}, query.Paging{})
				if err != nil {
					return err
				}
				return json.NewEncoder(w).Encode([]any{runs.Items, steps.Items})
			},
			"R6.2 library: the audit trail": func(w io.Writer) error {
				for r, err := range q.AllAudit(ctx, query.AuditFilter{}) {
					if _, werr := w.Write(r.Raw); err != nil || werr != nil {
						return err
					}
				}
				return nil
			},
			"R6.2 library: base64 of the zip": func(w io.Writer) error {
				var b bytes.Buffer
				coded := export.Base64(&b)
				if err := export.Zip(ctx, coded, q, id); err != nil {
					return err
				}
				if err := coded.Close(); err != nil {
					return err
				}
				return count(io.Copy(w, base64.NewDecoder(base64.StdEncoding, &b)))
			},
		} {
			t.Run(what, func(t *testing.T) {
				var out bytes.Buffer
				require.NoError(t, write(&out))
				clean(t, canary, what, out.Bytes())
			})
		}
		for _, encoding := range []otlp.Encoding{otlp.Protobuf, otlp.JSON} {
			_, err := otlp.Send(ctx, receiver.URL, q.All(ctx, query.Filter{}), &otlp.Options{Encoding: encoding, Plain: true})
			require.NoError(t, err)
		}
		_, err = archive.Files(ctx, folder, store.Files(), "logs")
		require.NoError(t, err)
		_, err = archive.Log(ctx, folder, q, id, "logs")
		require.NoError(t, err)
		proof, err := audit.Prove(ctx, dir, receipt.Seq)
		require.NoError(t, err)
		clean(t, canary, "a proof", proof.Checkpoint)
		out := filepath.Join(bucket, "tiles")
		_, err = tiles.Export(ctx, dir, out)
		require.NoError(t, err)
		require.NoError(t, store.Close())
		for _, root := range []string{dir, bucket} {
			require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				if len(text) > 0 {
					clean(t, canary, path, text)
				}
				return nil
			}))
		}
		files, err := rotation.OpenFolder(dir) // what the compressed files hold
		require.NoError(t, err)
		var plain bytes.Buffer
		require.NoError(t, export.Files(context.Background(), &plain, files))
		require.NoError(t, files.Close())
		clean(t, canary, "files", plain.Bytes())
	}
}
