package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// maxAnswer is as much of an answer as an action keeps, in bytes: enough for
// any API of this program, and no way to fill the memory.
const maxAnswer = 1 << 20

// httpRequest is the action http/request: one request with a JSON body, whose
// answer is JSON or text. Its output is {"status", "body"}. A status of 300 and
// above is an error with the code HTTP_<status>.
func httpRequest(client *http.Client) Do {
	return func(ctx context.Context, call *Call) (any, error) {
		var args struct {
			Method  string            `json:"method"` // default GET
			URL     string            `json:"url"`
			Path    []any             `json:"path"` // each element is one segment, escaped
			Query   map[string]string `json:"query"`
			Headers map[string]string `json:"headers"`
			Body    any               `json:"body"` // sent as JSON; null: no body
		}
		if err := call.Args(&args); err != nil {
			return nil, err
		}
		address, err := address(args.URL, args.Path, args.Query)
		if err != nil {
			return nil, err
		}
		var body io.Reader
		if args.Body != nil {
			text, err := json.Marshal(args.Body)
			if err != nil {
				return nil, err
			}
			body = bytes.NewReader(text)
		}
		request, err := http.NewRequestWithContext(ctx, cmp.Or(args.Method, http.MethodGet), address, body)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Content-Type", "application/json")
		for name, value := range args.Headers {
			request.Header.Set(name, value)
		}
		call.Log(ctx, levels.Debug, "asking", zap.String("method", request.Method), zap.String("url", address))
		return send(ctx, call, client, request)
	}
}

// send makes the request and reads the answer.
func send(ctx context.Context, call *Call, client *http.Client, request *http.Request) (any, error) {
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", request.URL, err)
	}
	call.Log(ctx, levels.Info, "answered", zap.String("method", request.Method), zap.String("url", request.URL.String()),
		zap.Int("status", response.StatusCode), zap.Int("bytes", len(text)), zap.Duration("took", time.Since(begun)))

	var answer any
	if json.Unmarshal(text, &answer) != nil {
		answer = string(text)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, &codedError{
			code: fmt.Sprintf("HTTP_%d", response.StatusCode),
			err:  fmt.Errorf("%s %s: %s: %s", request.Method, request.URL.Path, response.Status, reason(answer)),
		}
	}
	return map[string]any{"status": response.StatusCode, "body": answer}, nil
}

// address builds a URL whose segments and query cannot break out of their place.
func address(base string, segments []any, query map[string]string) (string, error) {
	to, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	escaped := make([]string, len(segments))
	for i, segment := range segments {
		escaped[i] = url.PathEscape(text(segment))
	}
	if len(escaped) > 0 {
		to = to.JoinPath(strings.Join(escaped, "/"))
	}
	values := to.Query()
	for name, value := range query {
		values.Set(name, value)
	}
	to.RawQuery = values.Encode()
	return to.String(), nil
}

// reason is what an answer says of an error: {"error": "..."} or its text.
func reason(answer any) string {
	if object, ok := answer.(map[string]any); ok {
		if said, ok := object["error"].(string); ok {
			return said
		}
	}
	return text(answer)
}
