package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// shellExec is the action shell/exec: a program with its arguments, no shell in
// between. What it prints becomes lines of the step while it runs; the output is
// {"stdout"}, or {"stdout": [values], "count"} when parse is "json". A status other than 0
// is an error with the code EXIT_<status>.
func shellExec(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Command []string          `json:"command"`
		Folder  string            `json:"folder"` // default: the working directory
		Env     map[string]string `json:"env"`    // added to the environment
		Parse   string            `json:"parse"`  // "" for text, "json" for a sequence of JSON values
		Stdout  string            `json:"stdout"` // level of the lines of the standard output, default debug
		Stderr  string            `json:"stderr"` // the same for the error output, default warn
	}
	args.Stdout, args.Stderr = levels.Name(levels.Debug), levels.Name(levels.Warn)
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	if len(args.Command) == 0 {
		return nil, errors.New("no command")
	}
	outLevel, err := levels.Parse(args.Stdout)
	if err != nil {
		return nil, err
	}
	errLevel, err := levels.Parse(args.Stderr)
	if err != nil {
		return nil, err
	}

	var printed bytes.Buffer
	outLines, errLines := call.engine.acks.writer(ctx, outLevel), call.engine.acks.writer(ctx, errLevel)
	command := exec.CommandContext(ctx, args.Command[0], args.Command[1:]...)
	command.Dir = args.Folder
	command.Stdout = io.MultiWriter(&printed, outLines)
	command.Stderr = errLines
	command.WaitDelay = time.Second // for children that keep the pipes open
	command.Env = os.Environ()
	for name, value := range args.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	call.Log(ctx, levels.Info, "running", zap.Strings("command", args.Command))
	err = errors.Join(command.Run(), outLines.Close(), errLines.Close())
	if err != nil {
		return nil, exitError(ctx, args.Command, err)
	}
	if args.Parse == "json" {
		values, err := jsonValues(&printed)
		return map[string]any{"stdout": values, "count": len(values)}, err
	}
	return map[string]any{"stdout": strings.TrimRight(printed.String(), "\n")}, nil
}

// exitError says why a program did not end well.
func exitError(ctx context.Context, command []string, err error) error {
	line := strings.Join(command, " ")
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", line, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &codedError{fmt.Sprintf("EXIT_%d", exit.ExitCode()), fmt.Errorf("%s: %w", line, err)}
	}
	return fmt.Errorf("%s: %w", line, err)
}

// jsonValues reads JSON values one after the other, as many tools print them.
func jsonValues(from io.Reader) ([]any, error) {
	values := make([]any, 0)
	decoder := json.NewDecoder(from)
	for {
		var value any
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return values, nil
		} else if err != nil {
			return nil, fmt.Errorf("output as JSON: %w", err)
		}
		values = append(values, value)
	}
}
