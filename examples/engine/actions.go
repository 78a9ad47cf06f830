package main

import (
	"context"
	"net/http"

	"github.com/steplog/steplog/levels"
)

// builtin returns every kind of action there is, under the name that flows use.
// An engine of your own adds its own to the map.
func builtin(client *http.Client) map[string]Do {
	return map[string]Do{
		"http/request": httpRequest(client),
		"csv/read":     csvRead,
		"file/read":    fileRead,
		"file/write":   fileWrite,
		"transform":    transform,
		"shell/exec":   shellExec,
		"system/log":   systemLog,
		"flow/run":     flowRun,
	}
}

// systemLog is the action system/log: it keeps a value in the log, under a label.
func systemLog(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Label string `json:"label"`
		Level string `json:"level"` // default info
		Value any    `json:"value"`
	}
	args.Level = levels.Name(levels.Info)
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	level, err := levels.Parse(args.Level)
	if err != nil {
		return nil, err
	}
	call.engine.acks.value(ctx, level, args.Label, args.Value)
	return nil, nil
}

// flowRun is the action flow/run: it runs another flow and gives back its
// output. The log shows that run as a child of this step, because its context is
// the step's.
func flowRun(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Flow  string `json:"flow"`
		Input any    `json:"input"`
	}
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	_, out, err := call.engine.Run(ctx, args.Flow, args.Input)
	return out, err
}
