package audit_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// dir is where trails lie in memory.
const dir = "logs"

// quick is a key that signs and checks in a microsecond, so that tests can do
// both a million times.
type quick string

func (q quick) Name() string    { return "test-" + string(q) }
func (q quick) KeyHash() uint32 { return 7 }

func (q quick) Sign(msg []byte) ([]byte, error) {
	mac := hmac.New(sha256.New, []byte(q))
	mac.Write(msg)
	return mac.Sum(nil), nil
}

func (q quick) Verify(msg, sig []byte) bool {
	want, _ := q.Sign(msg)
	return hmac.Equal(want, sig)
}

func (q quick) list() note.Verifiers { return note.VerifierList(q) }

// hosted opens a trail on any file system.
func hosted(fsys vfs.FS, o audit.Options) (*audit.Recorder, error) {
	if o.Signer == nil {
		o.Signer, o.Verifiers = quick("a"), quick("a").list()
	}
	r, err := audit.OpenHosted(dir, &o, audit.Host{FS: fsys})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func ctx() context.Context { return context.Background() }

// flow records an entry that says nothing but its flow.
func flow(r *audit.Recorder, id string) (audit.Receipt, error) {
	return r.Record(context.Background(), audit.Entry{Event: audit.FlowStarted, FlowID: id})
}

func verify(t *testing.T, fsys vfs.FS, anchors ...[]byte) (audit.Report, error) {
	t.Helper()
	return audit.VerifyFS(t.Context(), fsys, dir, &audit.VerifyOptions{Verifiers: quick("a").list(), Anchors: anchors})
}

// content reads a file; nil when it is not there.
func content(t *testing.T, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.OpenFile(dir+"/"+name, os.O_RDONLY, 0)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	return text
}

// put replaces a file.
func put(t *testing.T, fsys vfs.FS, name string, text []byte) {
	t.Helper()
	f, err := fsys.OpenFile(dir+"/"+name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.Write(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// flows returns the flows of the records in a text, by seq.
func flows(text []byte) map[uint64]string {
	found := map[uint64]string{}
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(`{"seq":`)) {
			continue
		}
		if r, err := audit.ParseRecord(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
			found[r.Seq] = r.FlowID
		}
	}
	return found
}

// lines cuts a text into its lines, each with its newline.
func lines(text []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(text) {
		all = append(all, line)
	}
	return all
}

func isRecord(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"seq":`)) }

// fifty is a closed trail of 50 records, and a checkpoint from its middle.
func fifty(t *testing.T) (mem *vfs.Mem, middle []byte) {
	t.Helper()
	mem = vfs.NewMem()
	r, err := hosted(mem, audit.Options{})
	require.NoError(t, err)
	for i := range 49 {
		receipt, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, Actor: audit.User("admin@example.com"),
			FlowID: strings.Repeat("f", 1+i%5), Before: i, After: i + 1})
		require.NoError(t, err)
		if i == 24 {
			middle = receipt.Checkpoint
		}
	}
	require.NoError(t, r.Close())
	return mem, middle
}
