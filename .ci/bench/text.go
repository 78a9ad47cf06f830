package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// joined reads files one after the other.
type joined struct {
	names []string
	open  func(string) (io.ReadCloser, error)
	end   func() error
	now   io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.now == nil {
			if len(j.names) == 0 {
				return 0, io.EOF
			}
			f, err := j.open(j.names[0])
			if err != nil {
				return 0, err
			}
			j.now, j.names = f, j.names[1:]
		}
		n, err := j.now.Read(p)
		if err != io.EOF {
			return n, err
		}
		err = j.now.Close()
		j.now = nil
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (j *joined) Close() error {
	var err error
	if j.now != nil {
		err = j.now.Close()
	}
	if j.end != nil {
		err = errors.Join(err, j.end())
	}
	return err
}

// readGlob returns a function that reads the files that match, in the order of
// their names: dated ones come before the active one.
func readGlob(dir, pattern string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		slices.Sort(names)
		return &joined{names: names, open: func(n string) (io.ReadCloser, error) { return os.Open(n) }}, nil
	}
}

// fields are the ones that every candidate writes.
type fields struct {
	N         int     `json:"n"`
	SKU       string  `json:"sku"`
	Warehouse string  `json:"warehouse"`
	Rows      int     `json:"rows"`
	Price     float64 `json:"price"`
	Cached    bool    `json:"cached"`
}

// check reads the text back and returns an error when its records are not the
// n offered, each once. Each of the callers, who took turns in numbering them,
// must find its own in order, and numbers that the library gave must rise. It
// also returns the length of the text.
func check(read func() (io.ReadCloser, error), n, callers int) (bytes int64, err error) {
	r, err := read()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	got := make([]sum, callers)
	count := 0
	var seq uint64
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<16), 1<<22)
	for lines.Scan() {
		var l struct {
			Seq     *uint64
			Kind    string
			Topic   string
			Message string
			Msg     string // slog's word
			fields
			Details *fields
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return 0, fmt.Errorf("line %d: %w: %.200s", count+1, err, lines.Bytes())
		}
		if l.Seq != nil {
			if *l.Seq <= seq {
				return 0, fmt.Errorf("record %d comes after record %d", *l.Seq, seq)
			}
			seq = *l.Seq
		}
		switch {
		case l.Kind == "" || l.Kind == "line" || l.Kind == "event" && l.Topic == "application":
		default:
			continue // captures and steplog's own events stand in the same file
		}
		f := &l.fields
		if l.Details != nil {
			f = l.Details
		}
		if f.N < 0 {
			return 0, fmt.Errorf("line %d has the number %d", count+1, f.N)
		}
		got[f.N%callers].add(f.N, l.Message+l.Msg, f.SKU, f.Warehouse, f.Rows, f.Price, f.Cached)
		bytes += int64(len(lines.Bytes())) + 1
		count++
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	if count != n {
		return 0, fmt.Errorf("%d records were offered and %d are in the text", n, count)
	}
	for i, sum := range got {
		if want := offered(n, i, callers); sum != want {
			return 0, fmt.Errorf("the text holds other records than caller %d offered: sum %x, not %x", i, sum, want)
		}
	}
	return bytes, nil
}

// sizes returns how large the closed files below dir are, and how large their
// text is after gzip -6.
func sizes(dir string, read func() (io.ReadCloser, error)) (stored, gzipped int64, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "user-*.log.*"))
	if err != nil {
		return 0, 0, err
	}
	for _, n := range names {
		i, err := os.Stat(n)
		if err != nil {
			return 0, 0, err
		}
		stored += i.Size()
	}
	r, err := read()
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	var c counter
	w, err := gzip.NewWriterLevel(&c, 6)
	if err != nil {
		return 0, 0, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return 0, 0, err
	}
	err = w.Close()
	return stored, int64(c), err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
