package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a trail commits to: its first Size records are those whose
// Merkle tree has this Root. Its text is a C2SP signed note (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	// Origin is the trail's own name.
	Origin string
	// Size is how many records the checkpoint covers: those with a seq below it.
	Size uint64
	// Root is the hash of their Merkle tree (RFC 6962 §2.1).
	Root [32]byte
	// Note is the signed text.
	Note []byte
}

// OpenCheckpoint checks the signature of a checkpoint and reads it. An error
// wraps [ErrSignature] when no trusted key signed it, and [ErrLine] when it is no
// checkpoint. Signatures of keys that are not known are passed over.
func OpenCheckpoint(text []byte, trusted note.Verifiers) (Checkpoint, error) {
	if trusted == nil {
		trusted = note.VerifierList()
	}
	n, err := openNote(text, trusted)
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(n.Text, text)
}

// openNote checks a note's signature. With nil keys it only reads the text.
func openNote(text []byte, trusted note.Verifiers) (*note.Note, error) {
	if trusted == nil {
		body, _, ok := bytes.Cut(text, []byte("\n\n"))
		if !ok {
			return nil, fmt.Errorf("%w: not a note", ErrLine)
		}
		return &note.Note{Text: string(body) + "\n"}, nil
	}
	n, err := note.Open(text, trusted)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return n, nil
}

// parseCheckpoint reads the signed text of a checkpoint: origin, size and root,
// a line each. Extension lines may follow.
func parseCheckpoint(text string, signed []byte) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, fmt.Errorf("%w: a checkpoint has three lines", ErrLine)
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: the size of a checkpoint", ErrLine)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the root of a checkpoint", ErrLine)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root, Note: signed}, nil
}

// parseHash reads a hash in base64, in the one way to write it.
func parseHash(s string) (h tlog.Hash, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%w: a hash", ErrLine)
	}
	return tlog.Hash(b), nil
}

// signCheckpoint makes the signed text, as note.Sign would.
func signCheckpoint(origin string, f *frontier, signer note.Signer) (Checkpoint, error) {
	root := f.root()
	text := checkpointText(origin, f.size, root)
	signature, err := sign(signer, text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign: %w", err)
	}
	var room [4 + 64]byte
	raw := append(binary.BigEndian.AppendUint32(room[:0], signer.KeyHash()), signature...)
	text = append(append(append(text, "\n— "...), signer.Name()...), ' ')
	text = append(base64.StdEncoding.AppendEncode(text, raw), '\n')
	return Checkpoint{Origin: origin, Size: uint64(f.size), Root: root, Note: text}, nil
}

// checkpointText is what is signed: origin, size and root, a line each.
func checkpointText(origin string, size int64, root tlog.Hash) []byte {
	text := make([]byte, 0, 256) // with room for a signature
	text = append(append(text, origin...), '\n')
	text = append(strconv.AppendInt(text, size, 10), '\n')
	return append(base64.StdEncoding.AppendEncode(text, root[:]), '\n')
}

// validName reports whether a name can stand in a signed note, and in a line of
// JSON as it is.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsAny(name, "+\"\\") &&
		!strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || unicode.IsSpace(c) })
}

// A checkpoint's line; see FORMAT.md. The first line of a file has the frontier
// too, so that the file can be checked without those before it.
const (
	pointOpen    = `{"checkpoint":"`
	pointClose   = `"}`
	frontierOpen = `","frontier":[`
)

// appendPoint appends a checkpoint's line with its newline; f is nil for every
// line but the first of a file.
func appendPoint(dst []byte, c *Checkpoint, f *frontier) []byte {
	dst = append(dst, pointOpen...)
	for _, b := range c.Note { // names with a quote or a backslash are refused by Open
		if b == '\n' {
			dst = append(dst, `\n`...)
		} else {
			dst = append(dst, b)
		}
	}
	if f == nil {
		return append(append(dst, pointClose...), '\n')
	}
	dst = append(dst, frontierOpen...)
	for i, h := range f.hashes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, h[:])
		dst = append(dst, '"')
	}
	return append(dst, "]}\n"...)
}

// parsePoint reads a checkpoint's line, without its newline, and checks the
// signature, unless trusted is nil. The line must be as appendPoint writes it, byte
// by byte: base64 and JSON have several ways to write one thing, and a change must
// not hide there.
// f is nil when the line has no frontier.
func parsePoint(line []byte, trusted note.Verifiers) (c Checkpoint, f *frontier, err error) {
	bad := func(what string) (Checkpoint, *frontier, error) {
		return Checkpoint{}, nil, fmt.Errorf("%w: %s", ErrLine, what)
	}
	rest, ok := bytes.CutPrefix(line, []byte(pointOpen))
	if !ok {
		return bad("a checkpoint begins otherwise")
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return bad("a checkpoint does not end")
	}
	text := bytes.ReplaceAll(rest[:end], []byte(`\n`), []byte("\n"))
	n, err := openNote(text, trusted)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	if c, err = parseCheckpoint(n.Text, text); err != nil {
		return Checkpoint{}, nil, err
	}
	if tail := rest[end:]; string(tail) != pointClose {
		if f, err = parseFrontier(tail, int64(c.Size)); err != nil {
			return Checkpoint{}, nil, err
		}
	}
	again := appendPoint(nil, &c, f)
	if !bytes.Equal(again[:len(again)-1], line) || trusted != nil && !canonicalNote(n, text) {
		return bad("a checkpoint is written otherwise")
	}
	return c, f, nil
}

// canonicalNote reports whether a note has trusted signatures alone, each in the
// one way to write it.
func canonicalNote(n *note.Note, text []byte) bool {
	b := append([]byte(n.Text), '\n')
	for _, s := range n.Sigs {
		raw, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		if err != nil || len(raw) == 0 {
			return false
		}
		b = append(append(append(append(append(b, "— "...), s.Name...), ' '), s.Base64...), '\n')
	}
	return bytes.Equal(b, text)
}

func parseFrontier(tail []byte, size int64) (*frontier, error) {
	list, ok := bytes.CutPrefix(tail, []byte(frontierOpen))
	if ok {
		list, ok = bytes.CutSuffix(list, []byte("]}"))
	}
	if !ok {
		return nil, fmt.Errorf("%w: a checkpoint ends otherwise", ErrLine)
	}
	f := &frontier{size: size}
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte(","))
		h, err := parseHash(string(bytes.Trim(item, `"`)))
		if err != nil {
			return nil, err
		}
		f.hashes = append(f.hashes, h)
	}
	if !f.whole() {
		return nil, fmt.Errorf("%w: a frontier of the wrong length", ErrLine)
	}
	return f, nil
}
