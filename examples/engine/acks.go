package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// acks keeps what the log has acknowledged, apart from the log: with -acks FILE
// every line that flows log gets a word of its own in details.ack, and the word
// is appended to FILE with one write(2) once the call that logged the line has
// returned and the log has dropped nothing meanwhile. Whoever kills the program then
// looks for each word of FILE in the text of the log.
//
// A nil *acks logs without any of this. It is safe for concurrent use.
type acks struct {
	file    *os.File
	dropped func() int64 // how many records the log has dropped
	name    string       // unique across starts
	last    atomic.Int64
	err     atomic.Pointer[error]
}

// openAcks opens the file to append to; dropped counts what the log drops. A kill can
// cut a write where two pages of the file meet: the part of a word that is left at its
// end is removed.
func openAcks(path string, dropped func() int64) (*acks, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := cutWord(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &acks{file: file, dropped: dropped, name: rand.Text()}, nil
}

// cutWord removes what follows the last line end.
func cutWord(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end := make([]byte, min(info.Size(), maxWord))
	if _, err := file.ReadAt(end, info.Size()-int64(len(end))); err != nil {
		return err
	}
	cut := len(end) - 1 - bytes.LastIndexByte(end, '\n')
	if cut == maxWord {
		return fmt.Errorf("acks: %s does not hold words", file.Name())
	}
	if cut == 0 {
		return nil
	}
	return file.Truncate(info.Size() - int64(cut))
}

// maxWord is more than a word is long.
const maxWord = 256

// next returns a word that no line has had.
func (a *acks) next() string {
	return a.name + "-" + strconv.FormatInt(a.last.Add(1), 10)
}

// confirm logs a line and appends its word, unless something was dropped meanwhile: that
// may have been the line.
func (a *acks) confirm(word string, log func() error) error {
	before := a.dropped()
	if err := log(); err != nil || a.dropped() != before {
		return err
	}
	if _, err := a.file.WriteString(word + "\n"); err != nil {
		err = fmt.Errorf("acks: %w", err)
		a.err.CompareAndSwap(nil, &err)
	}
	return nil
}

// line logs one line for whatever ctx belongs to.
func (a *acks) line(ctx context.Context, level zapcore.Level, message string, fields ...zap.Field) {
	log := logger.FromContext(ctx)
	if a == nil || !log.Enabled(level) {
		log.Log(level, message, fields...)
		return
	}
	word := a.next()
	_ = a.confirm(word, func() error {
		log.Log(level, message, append(fields, zap.String("ack", word))...)
		return nil
	})
}

// value logs one value, as logger.Value does.
func (a *acks) value(ctx context.Context, level zapcore.Level, label string, value any) {
	log := logger.FromContext(ctx)
	if a == nil || !log.Enabled(level) {
		logger.Value(ctx, level, label, value)
		return
	}
	word := a.next()
	_ = a.confirm(word, func() error {
		logger.Value(logger.NewContext(ctx, log.With(zap.String("ack", word))), level, label, value)
		return nil
	})
}

// writer returns a writer whose lines become lines of the step that ctx belongs
// to. The caller closes it.
func (a *acks) writer(ctx context.Context, level zapcore.Level) io.WriteCloser {
	log := logger.FromContext(ctx)
	if a == nil || !log.Enabled(level) {
		return log.Writer(level)
	}
	return &ackWriter{acks: a, log: log, level: level}
}

// ackWriter gives each line a logger of its own, bound to the line's word.
type ackWriter struct {
	acks  *acks
	log   *logger.Logger
	level zapcore.Level
	begun []byte // a line without its end
}

func (w *ackWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, found := bytes.Cut(p, []byte{'\n'})
		w.begun = append(w.begun, line...)
		if !found {
			return n, nil
		}
		if err := w.end(); err != nil {
			return n, err
		}
		p = rest
	}
}

func (w *ackWriter) Close() error {
	if len(w.begun) == 0 {
		return nil
	}
	return w.end()
}

// end logs the line that has begun.
func (w *ackWriter) end() error {
	word := w.acks.next()
	return w.acks.confirm(word, func() error {
		out := w.log.With(zap.String("ack", word)).Writer(w.level)
		_, err := out.Write(append(w.begun, '\n'))
		w.begun = w.begun[:0]
		return errors.Join(err, out.Close())
	})
}

// Close closes the file and returns the first error of any write to it.
func (a *acks) Close() error {
	if a == nil {
		return nil
	}
	err := a.file.Close()
	if first := a.err.Load(); first != nil {
		return *first
	}
	return err
}
