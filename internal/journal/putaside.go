package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// What rotation names files: see FORMAT.md there.
const (
	logExt    = ".log"
	nextExt   = ".log.next"
	brokenExt = ".log.broken"
)

// putAsideAll cuts, after a power loss, the plain files of the folder at the
// first line that is damaged, beyond what is known to be durable: the system may
// have written later pages and not earlier ones. What follows goes to
// NAME.log.broken. Closed files are among them, because they are synced only
// some time after, and so is the file that a rotation had made ahead.
func (j *Journal) putAsideAll() error {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		log, ok := plainText(info)
		if !ok {
			continue
		}
		bytes, err := j.putAside(log, info.Name())
		if _, closed := rotation.LogOf(info.Name()); closed && info.Name() != log+logExt && vfs.IsUnreadable(err) {
			continue // whoever takes it in tells, or passes over what is no record
		}
		if err != nil {
			return fmt.Errorf("put aside what the power cut: %w", err)
		}
		if bytes > 0 {
			j.recovery.PutAside += bytes
			j.aside[log] += bytes
		}
	}
	return nil
}

// plainText returns the log whose lines a file holds that is not compressed.
func plainText(info fs.FileInfo) (log string, ok bool) {
	name := info.Name()
	if !info.Mode().IsRegular() {
		return "", false
	}
	if ahead, is := strings.CutSuffix(name, nextExt); is {
		name = ahead + logExt
	}
	if !strings.HasSuffix(name, logExt) {
		return "", false
	}
	return logOf(name)
}

// putAside does so for one file and returns how many bytes it cut. What it did
// is durable.
func (j *Journal) putAside(log, name string) (int64, error) {
	path := filepath.Join(j.dir, name)
	f, err := j.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var from int64
	if name == log+logExt {
		from = j.durable(log, f, info.Size())
	}
	cut, whole, err := firstBroken(f, from)
	if err != nil {
		return 0, err
	}
	if info.Size()-cut > maxLine {
		whole = false // no line is torn that far
	}
	if !whole {
		if err := j.keepAside(log, io.NewSectionReader(f, cut, info.Size()-cut)); err != nil {
			return 0, err
		}
	} else if name == log+logExt || cut == info.Size() {
		return 0, nil // a torn last line of the active file is cut when it is opened
	}
	if err = f.Truncate(cut); err == nil {
		err = f.Sync()
	}
	if err == nil && cut == 0 && name != log+logExt {
		if err = j.fs.Remove(path); err == nil {
			err = j.fs.SyncDir(j.dir)
		}
	}
	if whole {
		j.recovery.TornBytes += info.Size() - cut
		return 0, err
	}
	return info.Size() - cut, err
}

// keepAside adds to what was put aside of a log.
func (j *Journal) keepAside(log string, r io.Reader) error {
	broken, err := j.fs.OpenFile(filepath.Join(j.dir, log+brokenExt), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(broken, r)
	if err == nil {
		err = broken.Sync()
	}
	if err = errors.Join(err, broken.Close()); err != nil {
		return err
	}
	return j.fs.SyncDir(j.dir)
}

// durable returns how much of an active text the ring's header says is durable.
func (j *Journal) durable(name string, f vfs.File, size int64) int64 {
	if j.ring == nil {
		return 0
	}
	for code, known := range j.registry.names {
		if known != name {
			continue
		}
		first, bytes := j.ring.synced(uint16(code))
		head := make([]byte, 64)
		n, _ := f.ReadAt(head, 0) // a short text has a short start
		if seq, ok := line.SeqOf(head[:n]); ok && seq == first && int64(bytes) <= size {
			return int64(bytes)
		}
	}
	return 0
}

// firstBroken returns where the first damaged line begins, from an offset on
// that is the start of a line. whole says that there is none; the offset is
// then behind the last whole line.
//
// A line that is no record counts as damaged unless it is plain text: what
// somebody added by hand is no reason to put aside what comes after it, which
// may have been synced. What the power took of a page reads as NUL bytes.
func firstBroken(f vfs.File, from int64) (at int64, whole bool, err error) {
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return 0, false, err
	}
	scan := lineScanner{r: bufio.NewReaderSize(f, 256<<10)}
	var rec line.Record
	for at := from; ; {
		raw, size, err := scan.next()
		if errors.Is(err, io.EOF) {
			return at, true, nil
		}
		if err != nil {
			return 0, false, err
		}
		if raw == nil || line.Parse(raw, &rec) != nil && !byHand(raw) {
			return at, false, nil
		}
		at += size
	}
}

// byHand reports whether a line is text that a person may have written.
func byHand(raw []byte) bool {
	for _, c := range raw {
		if c < ' ' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(raw)
}

// noteGaps writes, into each file of which text was put aside, that it was.
func (j *Journal) noteGaps() {
	owner := j.tables.Owner(&line.Identity{})
	for name, bytes := range j.aside {
		f, err := j.File(name)
		if err != nil {
			j.problem(err)
			continue
		}
		now := j.opts.Clock().UTC()
		body := j.encoder.Append(nil, &line.Entry{
			Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent, Topic: "system",
			Message: "gap: lines were lost with the power",
		}, []zap.Field{zap.Int64("bytes", bytes), zap.String("put_aside", name+brokenExt)})
		// Append reports and counts what goes wrong itself.
		_, _ = f.Append(owner, Meta{Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent}, body)
	}
}
