package export_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// example returns a store that holds one run, whose clock stands still.
func example() *logger.Store {
	at := time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC)
	store := logger.OpenMemory(&logger.Options{Clock: func() time.Time { return at }})
	ctx, run := store.Server("edge-1").Service("orders").Operation("sync-prices").Start(context.Background(), logger.ID("run-1"))
	logger.FromContext(ctx).Warn("price refused", zap.String("sku", "A-1"))
	logger.FromContext(ctx).Info("-1 rows left")
	run.End(nil)
	return store
}

func ExampleNDJSON() {
	store := example()
	defer store.Close()
	lines := store.Query().All(context.Background(), query.Filter{Where: query.Eq("sku", "A-1")})
	n, err := export.NDJSON(os.Stdout, lines)
	fmt.Println(n, err)
	// Output:
	// {"seq":4,"timestamp":"2026-11-21T02:03:04.000000000Z","level":"warn","kind":"line","server":"edge-1","service":"orders","operation":"sync-prices","run":"run-1","message":"price refused","details":{"sku":"A-1"}}
	// 1 <nil>
}

func ExampleCSV() {
	store := example()
	defer store.Close()
	lines := store.Query().All(context.Background(), query.Filter{Kinds: []query.Kind{query.KindLine}})
	n, err := export.CSV(os.Stdout, lines, &export.CSVOptions{Columns: []string{"timestamp", "level", "message", "details.sku"}})
	fmt.Println(n, err)
	// Output:
	// timestamp,level,message,details.sku
	// 2026-11-21T02:03:04.000000000Z,warn,price refused,A-1
	// 2026-11-21T02:03:04.000000000Z,info,'-1 rows left,
	// 2 <nil>
}

func ExampleZip() {
	store := example()
	defer store.Close()
	ctx := context.Background()
	runs, err := store.Query().MainLogs(ctx, query.RunFilter{Run: "run-1"}, query.Paging{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var b bytes.Buffer
	if err := export.Zip(ctx, &b, store.Query(), runs.Items[0].ID); err != nil {
		fmt.Println(err)
		return
	}

	archive, _ := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	file, _ := archive.File[0].Open()
	var log struct{ Lines []struct{ Message string } }
	fmt.Println(archive.File[0].Name, json.NewDecoder(file).Decode(&log))
	for _, line := range log.Lines {
		fmt.Println(line.Message)
	}
	// Output:
	// log-3.json <nil>
	// price refused
	// -1 rows left
}

func ExampleBase64() {
	w := export.Base64(os.Stdout)
	fmt.Fprint(w, "a zip, say")
	err := w.Close() // writes the last characters
	fmt.Println()
	fmt.Println(err)
	// Output:
	// YSB6aXAsIHNheQ==
	// <nil>
}

func ExampleFiles() {
	store := example()
	defer store.Close()
	var b bytes.Buffer
	fmt.Println(export.Files(context.Background(), &b, store.Files(), "user.log"))
	archive, _ := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	for _, file := range archive.File {
		text, _ := file.Open()
		lines, _ := io.ReadAll(text)
		fmt.Println(file.Name, bytes.Count(lines, []byte("\n")))
	}
	// Output:
	// <nil>
	// user.log 2
}

// The failed runs of a flow, each with all its details, in one file.
func ExampleZipRuns() {
	store := example()
	defer store.Close()
	prices := store.Server("edge-1").Service("orders").Operation("sync-prices")
	for _, id := range []string{"run-2", "run-3"} {
		_, run := prices.Start(context.Background(), logger.ID(id))
		run.End(errors.New("the shop is closed"))
	}
	var b bytes.Buffer
	n, err := export.ZipRuns(context.Background(), &b, store.Query(), query.RunFilter{
		Operation: "sync-prices", Outcomes: []query.Outcome{query.Failed},
	})
	fmt.Println(n, err)
	archive, _ := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	for _, file := range archive.File {
		var log struct{ Errors []struct{ Message string } }
		text, _ := file.Open()
		fmt.Println(file.Name, json.NewDecoder(text).Decode(&log), log.Errors)
	}
	// Output:
	// 2 <nil>
	// log-7.json <nil> [{the shop is closed}]
	// log-9.json <nil> [{the shop is closed}]
}
