package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// maxFile is the longest file that file/read reads, in bytes.
const maxFile = 16 << 20

// csvRead is the action csv/read: a file with a header line. Its output is
// {"rows": [{column: text}], "count"}. A row that lacks a required column, or
// does not have the header's number of columns, is left out, logged as a warning
// and counted as failed.
func csvRead(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Path     any      `json:"path"`
		Required []string `json:"required"`
	}
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	file, name, err := call.open(args.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("header of %s: %w", name, err)
	}
	rows := make([]any, 0)
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := reader.FieldPos(0)
		row, problem := csvRow(header, cells, args.Required)
		if problem != "" {
			call.Log(ctx, levels.Warn, "row left out", zap.String("file", name), zap.Int("line", line), zap.String("problem", problem))
			call.run.Add(query.Counts{Processed: 1, Failed: 1})
			continue
		}
		rows = append(rows, row)
	}
	call.Log(ctx, levels.Info, "rows read", zap.String("file", name), zap.Int("rows", len(rows)))
	return map[string]any{"rows": rows, "count": len(rows)}, nil
}

// csvRow makes one row, or says what is wrong with it.
func csvRow(header, cells, required []string) (row map[string]any, problem string) {
	if len(cells) != len(header) {
		return nil, fmt.Sprintf("%d columns, the header has %d", len(cells), len(header))
	}
	row = make(map[string]any, len(header))
	for i, column := range header {
		row[column] = strings.TrimSpace(cells[i])
	}
	for _, column := range required {
		if row[column] == nil || row[column] == "" {
			return nil, "no " + column
		}
	}
	return row, ""
}

// fileRead is the action file/read. The output for a file is {"path", "text",
// "lines", "bytes"}; for a folder {"path", "entries": [{"name", "bytes",
// "folder"}], "files", "bytes"}, where files and bytes count everything below it.
func fileRead(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Path any `json:"path"` // a text, or a list of parts to join
	}
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	file, name, err := call.open(args.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readFolder(ctx, call, name)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxFile)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	call.Log(ctx, levels.Info, "file read", zap.String("path", name), zap.Int("bytes", len(content)))
	var lines []any
	for line := range strings.Lines(string(content)) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	return map[string]any{"path": name, "text": string(content), "lines": lines, "bytes": len(content)}, nil
}

// readFolder lists a folder of the file system and measures what is below it.
func readFolder(ctx context.Context, call *Call, name string) (any, error) {
	var files, bytes int64
	entries := make([]any, 0)
	err := filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == name {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files++
			bytes += info.Size()
		}
		if filepath.Dir(path) == filepath.Clean(name) {
			entries = append(entries, map[string]any{"name": entry.Name(), "bytes": info.Size(), "folder": entry.IsDir()})
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	call.Log(ctx, levels.Info, "folder read", zap.String("path", name), zap.Int64("files", files), zap.Int64("bytes", bytes))
	return map[string]any{"path": name, "entries": entries, "files": files, "bytes": bytes}, nil
}

// fileWrite is the action file/write: lines of text, in place of what the file
// held. The output is {"path", "bytes"}.
func fileWrite(ctx context.Context, call *Call) (any, error) {
	var args struct {
		Path  any   `json:"path"`
		Lines []any `json:"lines"` // lists among them are lines too
	}
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	name, err := call.path(args.Path)
	if err != nil {
		return nil, err
	}
	var content strings.Builder
	for _, line := range flatten(args.Lines) {
		content.WriteString(text(line))
		content.WriteByte('\n')
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(name, []byte(content.String()), 0o600); err != nil {
		return nil, err
	}
	call.Log(ctx, levels.Info, "file written", zap.String("path", name), zap.Int("bytes", content.Len()))
	return map[string]any{"path": name, "bytes": content.Len()}, nil
}

// flatten puts the elements of lists in the place of the lists.
func flatten(values []any) []any {
	var flat []any
	for _, value := range values {
		if list, ok := value.([]any); ok {
			flat = append(flat, list...)
			continue
		}
		flat = append(flat, value)
	}
	return slices.Clip(flat)
}

// open opens a file. A path that begins with "flow:" is looked up beside the
// flow's own file, any other from the working directory.
func (c *Call) open(path any) (fs.File, string, error) {
	name, err := c.path(path)
	if err != nil {
		return nil, "", err
	}
	if beside, ok := strings.CutPrefix(name, "flow:"); ok {
		file, err := c.flow.files.Open(beside)
		return file, name, err
	}
	file, err := os.Open(name)
	return file, name, err
}

// path joins the parts of a path.
func (c *Call) path(path any) (string, error) {
	switch path := path.(type) {
	case string:
		return path, nil
	case []any:
		parts := make([]string, len(path))
		for i, part := range path {
			parts[i] = text(part)
		}
		return filepath.Join(parts...), nil
	default:
		return "", fmt.Errorf("a path is a text or a list of parts, not %T", path)
	}
}
