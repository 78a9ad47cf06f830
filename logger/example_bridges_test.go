package logger_test

import (
	"fmt"
	"log"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// Code that takes a *zap.Logger logs to the same files.
func ExampleLogger_Zap() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	z := store.Server("edge-1").Zap().Named("client")
	z.Warn("retrying", zap.Int("attempt", 2))
	z.Fatal("this does not exit")
	show(store, query.Filter{})
	// Output:
	// application.log warn retrying
	// application.log fatal this does not exit
}

func ExampleLogger_Slog() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	s := store.Server("edge-1").Slog()
	s.WithGroup("request").Info("served", "status", 200)
	show(store, query.Filter{Where: query.Eq("request.status", "200")})
	// Output: application.log info served
}

// The output of a subprocess becomes lines.
func ExampleLogger_Writer() {
	store := logger.OpenMemory(nil)
	defer store.Close()
	w := store.Server("edge-1").Writer(levels.Info)
	if _, err := fmt.Fprint(w, "building\r\ntesting\nno newline at the end"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	show(store, query.Filter{})
	// Output:
	// application.log info building
	// application.log info testing
	// application.log info no newline at the end
}
