//go:build linux

package reliability

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steplog/steplog/rotation"
)

// record is as much of a line as these tests look at.
type record struct {
	Seq     uint64
	Kind    string
	Phase   string
	Topic   string
	Run     string
	Step    string
	Message string
	Implied bool
	Details struct {
		Ack      string
		Pad      string
		Sum      uint32
		Count    int64
		Replayed int64
		Torn     int64 `json:"torn_bytes"`
	}
}

// readText calls yield for each line of a folder's logs in the order of the
// files, as anybody would read them: of a file that stands there plain and
// compressed the plain one counts. It returns an error for a line that is not
// JSON, has no number, has one twice or out of order, or does not end.
func readText(dir string, yield func(log string, r *record)) error {
	folder, err := rotation.OpenFolder(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	stored := map[string]string{} // name of the text → of the file
	for _, e := range entries {
		base := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".gz"), ".zst")
		if !strings.HasSuffix(base, ".log") {
			continue
		}
		if _, have := stored[base]; !have || e.Name() == base {
			stored[base] = e.Name()
		}
	}
	names := make([]string, 0, len(stored))
	for base := range stored {
		names = append(names, base)
	}
	slices.SortFunc(names, func(a, b string) int { // NAME-2026….log before NAME.log
		return strings.Compare(strings.Replace(a, ".log", "~", 1), strings.Replace(b, ".log", "~", 1))
	})
	last := map[string]uint64{}
	seen := map[uint64]string{}
	for _, base := range names {
		log := strings.TrimSuffix(base, ".log")
		if at := strings.Index(log, "-20"); at > 0 {
			log = log[:at]
		}
		if log == "audit" {
			continue // it has numbers and checks of its own
		}
		err := readFile(folder, dir, stored[base], func(r *record) error {
			if r.Seq <= last[log] {
				return fmt.Errorf("number %d after %d", r.Seq, last[log])
			}
			if other := seen[r.Seq]; other != "" {
				return fmt.Errorf("number %d stands in %s too", r.Seq, other)
			}
			last[log] = r.Seq
			seen[r.Seq] = base
			yield(log, r)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", stored[base], err)
		}
	}
	return nil
}

// readFile reads a file in the order of arrival, which is not that of the bytes
// where a sealed file is grouped by run. What anybody's gzip finds in it must be
// as much.
func readFile(folder *rotation.Folder, dir, name string, yield func(*record) error) error {
	text, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer text.Close()
	if strings.HasSuffix(name, ".gz") {
		size, err := text.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if _, err := text.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if n, err := unpacked(filepath.Join(dir, name)); err != nil || n != size {
			return fmt.Errorf("gzip finds %d bytes of %d: %w", n, size, err)
		}
	}
	lines := bufio.NewReaderSize(text, 1<<20)
	for at := 1; ; at++ {
		raw, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(raw) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d is torn: %w: %.200q", at, err, raw)
		}
		r, err := parse(raw)
		if err != nil {
			return fmt.Errorf("line %d: %w: %.200q", at, err, raw)
		}
		if err := yield(&r); err != nil {
			return fmt.Errorf("line %d: %w", at, err)
		}
	}
}

// unpacked is how many bytes gzip finds in a file.
func unpacked(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, text)
}

var errOther = errors.New("not what was logged")

// parse decodes a line and compares its checksum.
func parse(raw []byte) (r record, err error) {
	if err = json.Unmarshal(raw, &r); err == nil && r.Details.Sum != crc32.ChecksumIEEE([]byte(r.Details.Pad)) {
		err = errOther
	}
	return r, err
}

// ringHeld reads, as the journal's FORMAT.md describes it, how many records the
// ring of a folder holds that nobody may write over: those between tail and
// head. A folder without a ring holds none.
func ringHeld(dir string) (records int, held uint64, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, ".journal", "ring"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, nil
	}
	const header = 4096
	if err != nil || len(raw) < header || !bytes.HasPrefix(raw, []byte("steplog ring\n")) {
		return 0, 0, err // not made yet
	}
	size := uint64(len(raw) - header)
	head, tail := binary.LittleEndian.Uint64(raw[64:]), binary.LittleEndian.Uint64(raw[128:])
	if binary.LittleEndian.Uint64(raw[16:]) != size || tail > head || head-tail > size {
		return 0, 0, fmt.Errorf("head %d, tail %d, size %d", head, tail, size)
	}
	for at := tail; at < head; records++ {
		length := binary.LittleEndian.Uint32(raw[header+at%size:])
		frame := (32 + uint64(length) + 31) &^ 31
		if frame > size || at+frame > head {
			return records, head - tail, fmt.Errorf("a frame of %d bytes at %d, head %d", frame, at, head)
		}
		at += frame
	}
	return records, head - tail, nil
}
