package main

import (
	"bytes"
	"io"
	"net/http"
)

// readAll reads an answer and closes it.
func readAll(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(answer.Body)
	if end := answer.Body.Close(); err == nil {
		err = end
	}
	return body, err
}

// countLines reads a stream to its end and closes it.
func countLines(r io.ReadCloser) (size int64, lines int, err error) {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		size += int64(n)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			return size, lines, r.Close()
		}
		if err != nil {
			return size, lines, err
		}
	}
}
