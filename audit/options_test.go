package audit_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A disk that hangs holds a caller up until its deadline, and no longer.
func TestDeadline(t *testing.T) {
	mem := vfs.NewMem()
	var hang atomic.Bool
	hung, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if hang.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "audit.log") {
			once.Do(func() { close(hung) })
			<-release
		}
		return nil
	})
	r, err := hosted(fsys, audit.Options{Timeout: 20 * time.Millisecond})
	require.NoError(t, err)
	hang.Store(true)
	_, err = flow(r, "on its way")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-hung
	short, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Record(short, audit.Entry{Event: audit.FlowStarted, FlowID: "given up"})
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	hang.Store(false)
	close(release)
	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	receipt, err := r.Record(long, audit.Entry{Event: audit.FlowStarted, FlowID: "after"})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	have := flows(content(t, mem, "audit.log"))
	require.Equal(t, "after", have[receipt.Seq])
	for _, id := range have {
		require.NotEqual(t, "given up", id, "what was never taken is never written")
	}
}

// Waits without a deadline of their own end when the timeout is over, whenever they
// began, and at most a 64th of it later.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 64 * time.Second
		mem := vfs.NewMem()
		var hang atomic.Bool
		release := make(chan struct{})
		r, err := hosted(vfs.Inject(mem, func(op vfs.Op) error {
			if hang.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "audit.log") {
				<-release
			}
			return nil
		}), audit.Options{Timeout: timeout})
		require.NoError(t, err)
		hang.Store(true)
		began := time.Now()
		var waits sync.WaitGroup
		for _, after := range []time.Duration{0, 1, time.Second - 1, time.Second, 90 * time.Second / 100, 5 * time.Second, 63 * time.Second} {
			waits.Go(func() {
				time.Sleep(after) // the bubble's clock
				_, err := flow(r, "late")
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, audit.ErrUnavailable) {
					t.Errorf("%v: %v", after, err)
				}
				if waited := time.Since(began) - after; waited < timeout || waited > timeout+timeout/64 {
					t.Errorf("%v: waited for %v", after, waited)
				}
			})
		}
		waits.Wait()
		hang.Store(false)
		close(release)
		_, err = flow(r, "after")
		require.NoError(t, err)
		require.NoError(t, r.Close())
		_, err = verify(t, mem)
		require.NoError(t, err)
	})
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, nil)
	_, err := audit.Open(dir, nil)
	require.ErrorIs(t, err, audit.ErrLocked)
	require.ErrorContains(t, err, "another recorder of this one")
	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "twice is fine")
	_, err = flow(r, "late")
	require.ErrorIs(t, err, audit.ErrClosed)
	require.ErrorIs(t, r.Reopen(t.Context()), audit.ErrClosed)
	open(t, dir, nil)
}

// itself panics with itself when it is asked what it says.
type itself struct{}

func (i itself) Error() string { panic(i) }

// Checkpoints are heard of once what they cover is durable, the last one too.
func TestOnCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	var mu sync.Mutex
	var heard [][]byte
	r, err := hosted(mem, audit.Options{OnCheckpoint: func(text []byte) {
		cut := mem.Crash(nil, vfs.CrashOptions{}) // only what was synced
		point, err := audit.OpenCheckpoint(text, quick("a").list())
		if err != nil || len(flows(content(t, cut, "audit.log"))) < int(point.Size) {
			t.Errorf("%v: told of %d records before they were durable", err, point.Size)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, text)
		panic("the host's")
	}, OnProblem: func(error) {}})
	require.NoError(t, err)
	var last audit.Receipt
	for range 20 {
		last, err = flow(r, "f")
		require.NoError(t, err)
	}
	require.NoError(t, r.Close())
	require.NotEmpty(t, heard)
	require.Equal(t, last.Checkpoint, heard[len(heard)-1])
	require.Equal(t, string(last.Checkpoint), string(content(t, mem, "audit.checkpoint")))
	_, err = verify(t, mem, heard...)
	require.NoError(t, err)
}

// failing is a signer whose key is not to be had for a while.
type failing struct {
	quick
	away *atomic.Bool
}

func (f failing) Sign(msg []byte) ([]byte, error) {
	if f.away.Load() {
		return nil, errors.New("the KMS is away")
	}
	return f.quick.Sign(msg)
}

// panicking is a signer with a mistake in it that shows at times.
type panicking struct{ failing }

func (p panicking) Sign(msg []byte) ([]byte, error) {
	if p.away.Load() {
		panic("no session")
	}
	return p.quick.Sign(msg)
}

// A signer that panics refuses records as one that fails does, and ends nothing.
func TestSignerPanics(t *testing.T) {
	mem := vfs.NewMem()
	away := new(atomic.Bool)
	away.Store(true)
	o := audit.Options{Signer: panicking{failing{"a", away}}}
	_, err := hosted(mem, o)
	require.ErrorContains(t, err, "the signer panicked: no session")
	away.Store(false)
	r, err := hosted(mem, o)
	require.NoError(t, err)
	away.Store(true)
	_, err = flow(r, "unsigned")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorContains(t, err, "the signer panicked: no session")
	away.Store(false)
	receipt, err := flow(r, "signed")
	require.NoError(t, err, "nothing was written, so nothing is wrong")
	require.EqualValues(t, 1, receipt.Seq)
	require.NoError(t, r.Close())
}

// leaving is a signer that ends the goroutine it is called on at times.
type leaving struct{ failing }

func (l leaving) Sign(msg []byte) ([]byte, error) {
	if l.away.Load() {
		runtime.Goexit()
	}
	return l.quick.Sign(msg)
}

// What ends its goroutine, as testing's FailNow does, ends none of the Recorder's.
func TestHooksThatEndTheirGoroutine(t *testing.T) {
	mem := vfs.NewMem()
	var full atomic.Bool
	away := new(atomic.Bool)
	away.Store(true)
	var told, problems atomic.Int64
	o := audit.Options{Signer: leaving{failing{"a", away}}, Timeout: time.Minute,
		OnCheckpoint: func([]byte) { told.Add(1); runtime.Goexit() },
		OnProblem:    func(error) { problems.Add(1); runtime.Goexit() }}
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpWriteAt && strings.HasSuffix(op.Name, "audit.log") {
			return syscall.ENOSPC
		}
		return nil
	})
	_, err := hosted(fsys, o)
	require.ErrorContains(t, err, "the signer ended its goroutine")
	away.Store(false)
	r, err := hosted(fsys, o)
	require.NoError(t, err)
	away.Store(true)
	_, err = flow(r, "unsigned")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.ErrorContains(t, err, "the signer ended its goroutine")
	away.Store(false)
	receipt, err := flow(r, "signed")
	require.NoError(t, err, "nothing was written, so nothing is wrong")
	require.EqualValues(t, 1, receipt.Seq)
	full.Store(true)
	_, err = flow(r, "no room")
	require.ErrorIs(t, err, syscall.ENOSPC)
	full.Store(false)
	require.NoError(t, r.Reopen(t.Context()))
	receipt, err = flow(r, "after")
	require.NoError(t, err)
	require.NoError(t, r.Rotate(t.Context()))
	require.NoError(t, r.Close())
	require.GreaterOrEqual(t, told.Load(), int64(2))
	require.GreaterOrEqual(t, problems.Load(), int64(2))
	require.Equal(t, receipt.Checkpoint, content(t, mem, "audit.checkpoint"))
	_, err = verify(t, mem)
	require.NoError(t, err)
}

// Hooks that panic end nothing.
func TestHooksPanic(t *testing.T) {
	heard := make(chan error, 10)
	r, err := hosted(vfs.NewMem(), audit.Options{
		OnCheckpoint: func([]byte) { panic(itself{}) },
		OnProblem:    func(err error) { heard <- err; panic("problem") },
	})
	require.NoError(t, err)
	_, err = flow(r, "f")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.ErrorContains(t, <-heard, "Options.OnCheckpoint panicked: a audit_test.itself")
}

// A clock that panics ends nothing: files are named and deleted by the system's time.
func TestClockPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var broken atomic.Bool
		var problem atomic.Value
		r, err := hosted(mem, audit.Options{Rule: rotation.Rule{MaxAge: 24 * time.Hour},
			Clock: func() time.Time {
				if broken.Load() {
					panic("no time")
				}
				return time.Now()
			}, OnProblem: func(err error) { problem.Store(err.Error()) }})
		require.NoError(t, err)
		broken.Store(true)
		fill(t, r, 0, 2)
		require.Equal(t, "audit: Options.Clock panicked: no time", problem.Load())
		require.Equal(t, 2, sealedFiles(t, mem))
		time.Sleep(30 * time.Hour) // of the bubble's clock
		synctest.Wait()
		require.Zero(t, sealedFiles(t, mem))
		require.NoError(t, r.Close())
		_, err = verify(t, mem)
		require.NoError(t, err)
	})
}

func TestSignerFails(t *testing.T) {
	mem := vfs.NewMem()
	away := new(atomic.Bool)
	r, err := hosted(mem, audit.Options{Signer: failing{"a", away}, Verifiers: quick("a").list()})
	require.NoError(t, err)
	_, err = r.Key()
	require.ErrorIs(t, err, audit.ErrKey)
	away.Store(true)
	_, err = flow(r, "unsigned")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	away.Store(false)
	receipt, err := flow(r, "signed")
	require.NoError(t, err, "nothing was written, so nothing is wrong")
	require.EqualValues(t, 1, receipt.Seq)
	require.NoError(t, r.Close())
	_, err = verify(t, mem)
	require.NoError(t, err)
	require.Nil(t, content(t, mem, "audit.key"))
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]audit.Options{
		"a bad name":    {Signer: quick(`a"b`), Verifiers: quick("a").list()},
		"a broken name": {Signer: quick("a b")},
		"a joined name": {Signer: quick("a+b")},
		"another byte":  {Signer: quick("a\x01")},
		"fickle":        {Signer: fickle{signs{quick("a")}, new(atomic.Int64)}},
		"a timeout":     {Timeout: -1},
		"changes":       {MaxChanges: 1 << 20},
		"values":        {MaxValueBytes: 5},
		"a rule":        {Rule: rotation.Rule{MaxFiles: -1}},
	} {
		_, err := audit.Open(t.TempDir(), &o)
		require.ErrorIs(t, err, audit.ErrOptions, name)
	}
}

// signs is a signer that does not check.
type signs struct{ q quick }

func (s signs) Name() string                    { return s.q.Name() }
func (s signs) KeyHash() uint32                 { return s.q.KeyHash() }
func (s signs) Sign(msg []byte) ([]byte, error) { return s.q.Sign(msg) }

// fickle is a signer whose signatures of one text differ.
type fickle struct {
	signs
	n *atomic.Int64
}

func (f fickle) Sign(msg []byte) ([]byte, error) {
	sig, err := f.signs.Sign(msg)
	return append(sig, byte(f.n.Add(1))), err
}

// A Signer alone is enough, whether or not it checks signatures; what it did not
// sign is found all the same.
func TestSignerAlone(t *testing.T) {
	private, public, err := note.GenerateKey(nil, "host")
	require.NoError(t, err)
	ed25519, err := note.NewSigner(private)
	require.NoError(t, err)
	checks, err := note.NewVerifier(public)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		signer note.Signer
		check  note.Verifier
	}{
		"it checks":           {quick("a"), quick("a")},
		"it signs":            {signs{quick("a")}, quick("a")},
		"a key of sumdb/note": {ed25519, checks},
	} {
		mem := vfs.NewMem()
		again := func(o audit.Options) error {
			r, err := audit.OpenHosted(dir, &o, audit.Host{FS: mem})
			if err != nil {
				return err
			}
			_, err = flow(r, "f")
			return errors.Join(err, r.Close())
		}
		for range 3 {
			require.NoError(t, again(audit.Options{Signer: c.signer}), name)
		}
		_, err := audit.VerifyFS(t.Context(), mem, dir, &audit.VerifyOptions{Verifiers: note.VerifierList(c.check)})
		require.NoError(t, err, name)
		text := content(t, mem, "audit.log")
		changed := slices.Clone(text)
		i := len(changed) - len("\\n\"}\n") - 12 // in the middle of the signature, another letter of its alphabet
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		put(t, mem, "audit.log", changed)
		require.ErrorIs(t, again(audit.Options{Signer: c.signer}), audit.ErrDamaged, name)
		put(t, mem, "audit.log", text)
		// The next key: the one before is named.
		require.ErrorIs(t, again(audit.Options{Signer: quick("next")}), audit.ErrSignature, name)
		require.NoError(t, again(audit.Options{Signer: quick("next"), Verifiers: note.VerifierList(c.check)}), name)
		require.NoError(t, again(audit.Options{Signer: signs{quick("next")}, Verifiers: note.VerifierList(c.check)}), name)
	}
}

// liar is a signer that signs with another key than it says.
type liar struct{ quick }

func (l liar) Sign(msg []byte) ([]byte, error) { return quick("other").Sign(msg) }

// What nobody could check when the trail is opened again is not begun.
func TestSignerOfAnotherKey(t *testing.T) {
	mem := vfs.NewMem()
	for range 2 {
		for _, o := range []audit.Options{
			{Signer: liar{"a"}, Verifiers: quick("a").list()},
			{Signer: liar{"a"}},
		} {
			_, err := audit.OpenHosted(dir, &o, audit.Host{FS: mem})
			require.ErrorIs(t, err, audit.ErrOptions)
			require.NotErrorIs(t, err, audit.ErrDamaged)
		}
		r, err := hosted(mem, audit.Options{}) // nothing is wrong with what is there
		require.NoError(t, err)
		_, err = flow(r, "f")
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
	_, err := verify(t, mem)
	require.NoError(t, err)

	// The two lines of audit.key can be of different keys, too.
	mem = vfs.NewMem()
	r, err := audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	key := content(t, mem, "audit.key")
	private, _, err := note.GenerateKey(nil, "other")
	require.NoError(t, err)
	put(t, mem, "audit.key", append([]byte(private+"\n"), lines(key)[1]...))
	r, err = audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.ErrorIs(t, err, audit.ErrKey)
	require.NoError(t, r.Close())
	put(t, mem, "audit.key", key)
	r, err = audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// A trail whose key was lost is not given another.
func TestLostKey(t *testing.T) {
	mem := vfs.NewMem()
	r, err := audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, mem.Remove(dir+"/audit.key"))
	r, err = audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.ErrorIs(t, err, audit.ErrKey)
	require.ErrorContains(t, err, "restore it from a copy", "what to do")
	_, err = flow(r, "f")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	require.NoError(t, r.Close())
}

// A key of hidden values that is not whole is not used, and not replaced.
func TestBrokenHMACKey(t *testing.T) {
	mem := vfs.NewMem()
	r, err := audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	whole, err := vfs.ReadWhole(mem, dir+"/audit.hmac", 1<<10)
	require.NoError(t, err)
	for _, text := range []string{"", "\n", string(whole[:10]), string(whole[2:]), "00" + string(whole), "no key" + string(whole[6:])} {
		require.NoError(t, vfs.WriteWhole(mem, dir+"/audit.hmac", []byte(text)))
		r, err := audit.OpenHosted(dir, nil, audit.Host{FS: mem})
		require.ErrorIs(t, err, audit.ErrKey, text)
		require.ErrorContains(t, err, "restore it from a copy", "what to do")
		require.NoError(t, r.Close())
		kept, err := vfs.ReadWhole(mem, dir+"/audit.hmac", 1<<10)
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
	}
	require.NoError(t, vfs.WriteWhole(mem, dir+"/audit.hmac", whole))
	r, err = audit.OpenHosted(dir, nil, audit.Host{FS: mem})
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// Where there is no folder, or no trail in it, that is no finding.
func TestVerifyNothing(t *testing.T) {
	mem := vfs.NewMem()
	_, err := audit.VerifyFS(t.Context(), mem, dir, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, audit.ErrKey, "a key is not what is missing")
	_, err = audit.VerifyFS(t.Context(), mem, dir, &audit.VerifyOptions{Verifiers: quick("a").list()})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, audit.ErrDamaged)

	require.NoError(t, mem.MkdirAll(dir, 0o700))
	_, err = audit.VerifyFS(t.Context(), mem, dir, nil)
	require.ErrorIs(t, err, audit.ErrKey)
}
