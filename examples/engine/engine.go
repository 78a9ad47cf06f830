package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Engine runs flows. Everything it logs goes through the service it was made
// with: a run for each flow it starts, a step for each attempt of an action.
// Its fields do not change while flows run, so it may run several at once.
type Engine struct {
	service *logger.Service
	flows   map[string]*Flow
	actions map[string]Do
	env     map[string]any // what flows reach as "env"
	acks    *acks          // nil without -acks
}

// Do does one kind of action: its input is in the call, its output and error
// are logged by the engine.
type Do func(ctx context.Context, call *Call) (any, error)

// Call is one attempt to do an action.
type Call struct {
	With   map[string]any // the input, references resolved
	engine *Engine
	flow   *Flow
	run    *logger.Run
}

// Args decodes the input into a struct, whose JSON tags name the keys that the
// action accepts.
func (c *Call) Args(into any) error {
	text, err := json.Marshal(c.With)
	if err != nil {
		return err
	}
	return decodeStrict(text, into)
}

// Log logs one line of the step that ctx belongs to.
func (c *Call) Log(ctx context.Context, level zapcore.Level, message string, fields ...zap.Field) {
	c.engine.acks.line(ctx, level, message, fields...)
}

// Run runs a flow from its first action to its last and returns the id of the
// run and what the flow's output leads to. Inside a step's ctx it is a sub-flow:
// nothing has to be said for that.
func (e *Engine) Run(ctx context.Context, id string, input any, options ...logger.RunOption) (runID string, out any, err error) {
	flow := e.flows[id]
	if flow == nil {
		return "", nil, fmt.Errorf("there is no flow %q", id)
	}
	options = append(options, logger.Project(flow.Project), logger.Input(input))
	ctx, run := e.service.Operation(flow.ID, logger.DisplayName(flow.Name)).Start(ctx, options...)
	defer func() { run.EndAs(outcome(ctx, err), err) }()

	known := scope{"input": input, "env": e.env}
	for i := range flow.Actions {
		out, err := e.runAction(ctx, flow, run, i, known)
		if err != nil {
			return run.ID(), nil, fmt.Errorf("%s: %w", flow.Actions[i].ID, err)
		}
		known[flow.Actions[i].ID] = out
	}
	if out, err = known.resolve(flow.Output); err == nil {
		run.Output(out)
	}
	return run.ID(), out, err
}

// runAction runs one action of a flow: once, or once for each element of its
// loop. The output of a loop is a list of {"item", "output"}, without the
// elements that failed.
func (e *Engine) runAction(ctx context.Context, flow *Flow, run *logger.Run, index int, known scope) (any, error) {
	action := &flow.Actions[index]
	try := &attempts{engine: e, flow: flow, action: action, run: run, order: index + 1}
	if action.ForEach == nil {
		out, err := try.all(ctx, known)
		e.count(run, action, err)
		return out, err
	}
	elements, err := known.resolve(action.ForEach)
	if err != nil {
		return nil, err
	}
	list, ok := elements.([]any)
	if !ok {
		return nil, fmt.Errorf("for_each got a %T, not a list", elements)
	}
	done := make([]any, 0, len(list))
	for i, item := range list {
		out, err := try.all(ctx, known.with("item", item), logger.Iteration(i, item))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e.count(run, action, err)
		if err != nil && action.OnError != "continue" {
			return nil, err
		}
		if err == nil {
			done = append(done, map[string]any{"item": item, "output": out})
		}
	}
	return done, nil
}

// count adds one element to the run's counts: when it failed, and when it came
// through an action that counts.
func (e *Engine) count(run *logger.Run, action *Action, err error) {
	switch {
	case err != nil && (action.ForEach != nil || action.Counts):
		run.Add(query.Counts{Processed: 1, Failed: 1})
	case err == nil && action.Counts:
		run.Add(query.Counts{Processed: 1, Succeeded: 1})
	}
}

// attempts does one action until it succeeds or its retries are used up.
type attempts struct {
	engine *Engine
	flow   *Flow
	action *Action
	run    *logger.Run
	order  int
}

// all makes attempts, each a step of its own.
func (a *attempts) all(ctx context.Context, known scope, options ...logger.StepOption) (any, error) {
	for attempt := 1; ; attempt++ {
		out, again, err := a.once(ctx, known, attempt, options)
		if !again {
			return out, err
		}
		wait := time.Duration(a.action.Retry.BackoffMS) * time.Millisecond << (attempt - 1)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// once makes one attempt and says whether another should follow.
func (a *attempts) once(ctx context.Context, known scope, attempt int, options []logger.StepOption) (out any, again bool, err error) {
	input, err := known.resolve(a.action.With)
	options = append(slices.Clip(options), logger.DisplayName(a.action.Name),
		logger.Order(a.order), logger.Attempt(attempt), logger.Input(input))
	stepCtx, step := logger.StartStep(ctx, a.action.ID, options...)
	if err == nil {
		with, _ := input.(map[string]any)
		out, err = a.do(stepCtx, &Call{With: with, engine: a.engine, flow: a.flow, run: a.run})
	}
	if err != nil {
		again = ctx.Err() == nil && attempt < a.action.Retry.Attempts && a.action.Retry.allows(err)
		a.report(stepCtx, err, attempt, again)
	}
	step.EndAs(outcome(ctx, err), out, err)
	return out, again, err
}

// do calls the action with its timeout, and turns a panic into an error: a
// broken action must not take the engine with it.
func (a *attempts) do(ctx context.Context, call *Call) (out any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			out, err = nil, &panicError{cause}
		}
	}()
	if a.action.TimeoutMS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.action.TimeoutMS)*time.Millisecond)
		defer cancel()
	}
	out, err = a.engine.actions[a.action.Use](ctx, call)
	if err != nil && a.action.TimeoutMS > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = &codedError{"TIMEOUT", fmt.Errorf("not done within %d ms: %w", a.action.TimeoutMS, err)}
	}
	return out, err
}

// report logs a failed attempt as a line of its step.
func (a *attempts) report(ctx context.Context, err error, attempt int, again bool) {
	fields := []zap.Field{zap.Error(err), zap.Int("attempt", attempt)}
	if a.action.Hint != "" {
		fields = append(fields, zap.String("hint", a.action.Hint))
	}
	if again {
		a.engine.acks.line(ctx, levels.Warn, "failed, trying again", fields...)
		return
	}
	a.engine.acks.line(ctx, levels.Error, "failed", fields...)
}

// allows reports whether another attempt makes sense after err.
func (r *Retry) allows(err error) bool {
	return len(r.On) == 0 || slices.Contains(r.On, code(err))
}

// startable returns the ids of the flows that begin by themselves, in order.
func (e *Engine) startable(start string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(e.flows)) {
		if e.flows[id].Start == start {
			ids = append(ids, id)
		}
	}
	return ids
}

// outcome says how a run or step ended. ctx is the one it was started in: when
// that is over, the engine is being stopped.
func outcome(ctx context.Context, err error) query.Outcome {
	var panicked *panicError
	switch {
	case err == nil:
		return query.Succeeded
	case errors.As(err, &panicked):
		return query.Panicked
	case ctx.Err() != nil:
		return query.Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return query.TimedOut
	default:
		return query.Failed
	}
}

// codedError is an error that says what happened in one word, for retries and
// for whoever reads error.code in the log.
type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// Code returns the word. The log finds this method and keeps it as error.code.
func (e *codedError) Code() string { return e.code }

// code returns the word of the first error in the chain that has one.
func code(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

// panicError is what an action panicked with.
type panicError struct{ cause any }

func (e *panicError) Error() string { return fmt.Sprintf("the action panicked: %v", e.cause) }
