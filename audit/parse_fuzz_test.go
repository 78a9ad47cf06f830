package audit

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/mask"
)

// FuzzPoint reads lines as those of checkpoints: what is accepted is written
// again as it was.
func FuzzPoint(f *testing.F) {
	key, err := signCheckpoint("origin", &frontier{}, fuzzKey{})
	require.NoError(f, err)
	f.Add(string(bytes.TrimSuffix(appendPoint(nil, &key, nil), []byte("\n"))))
	tree := frontier{}
	for range 5 {
		tree.add([32]byte{1})
	}
	key, err = signCheckpoint("origin", &tree, fuzzKey{})
	require.NoError(f, err)
	f.Add(string(bytes.TrimSuffix(appendPoint(nil, &key, &tree), []byte("\n"))))
	f.Fuzz(func(t *testing.T, line string) {
		c, front, err := parsePoint([]byte(line), nil)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		require.Equal(t, line+"\n", string(appendPoint(nil, &c, front)))
		if front != nil {
			require.True(t, front.whole())
			_ = front.root()
		}
	})
}

type fuzzKey struct{}

func (fuzzKey) Name() string                { return "origin" }
func (fuzzKey) KeyHash() uint32             { return 1 }
func (fuzzKey) Sign([]byte) ([]byte, error) { return []byte("signature"), nil }

// FuzzKeys compares the quick reader of what records are found by with the whole
// parser, on lines that the encoder wrote.
func FuzzKeys(f *testing.F) {
	f.Add("f-1", "p", "because", "ada@example.com", "Sync \"x\"\n", true, uint64(3))
	f.Add("", "", "", "", "", false, uint64(0))
	f.Fuzz(func(t *testing.T, flow, project, reason, user, target string, addr bool, intent uint64) {
		e := entry{Entry: Entry{Event: FlowUpdated, Outcome: Failure, FlowID: flow, Project: project, Reason: reason,
			Actor: User(user), Target: Target{Type: "flow", ID: target}, Before: 1, After: 2},
			at: time.Unix(1, 5), intent: intent % 1000}
		if addr {
			e.IP, e.ipFrom = netip.MustParseAddr("192.0.2.1"), "peer"
		}
		c := encoder{mask: mask.New(nil), maxChanges: 10, maxValue: 1000}
		raw := append([]byte(`{"seq":7,`), c.body(nil, &e)...)
		whole, err := ParseRecord(raw)
		require.NoError(t, err)
		quick, err := ParseKeys(raw)
		require.NoError(t, err)
		for _, r := range []*Record{&whole, &quick} { // what is not asked of the quick one
			r.ID, r.Intent, r.Reason, r.IP, r.IPFrom, r.Changes, r.Raw = "", nil, "", "", "", nil, nil
			r.Truncated, r.Redacted = false, false
		}
		require.Equal(t, whole, quick)
	})
}

// FuzzRecord reads anything as a record.
func FuzzRecord(f *testing.F) {
	f.Add(`{"seq":0,"kind":"audit","changes":[{"path":"/a","op":"add","after":1}]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := ParseRecord([]byte(raw))
		k, kerr := ParseKeys([]byte(raw))
		if err != nil {
			require.ErrorIs(t, err, ErrLine)
			return
		}
		if kerr == nil && k.Event != "" {
			require.Equal(t, r.Seq, k.Seq)
		}
	})
}
