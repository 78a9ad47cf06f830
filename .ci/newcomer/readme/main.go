package main

import (
	"context"
	"fmt"
	"log"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

func main() {
	store, err := logger.Open("data/logs", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	prices := store.Server("edge-1").Service("orders").Operation("sync-prices")
	ctx, run := prices.Start(context.Background(), logger.TriggeredBy("test@example.com"))
	sctx, step := logger.StartStep(ctx, "read_data_from_erp", logger.Input(map[string]any{"page": 1}))
	logger.FromContext(sctx).Warn("a price is missing", zap.String("sku", "A-1"))
	step.End(map[string]any{"rows": 42}, nil)
	run.End(nil)

	page, err := store.Query().LineLogs(ctx, query.Filter{
		Run: run.ID(), Levels: levels.AtLeast(levels.Warn), Where: query.Eq("sku", "A-1"),
	}, query.Paging{Limit: 20})
	if err != nil {
		log.Fatal(err)
	}
	for _, record := range page.Items {
		fmt.Printf("%s %s %s\n", levels.Name(record.Level), record.Action, record.Message)
	}
}
