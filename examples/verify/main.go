// Command verify checks a folder, or a copy of one, from outside: that its closed
// files can be read and their sidecars say what they do, and of its audit trail
// every record, every checkpoint, and one proof that a record is in it.
//
//	go run ./examples/verify -key KEY -anchor checkpoint.txt data/logs
//
// KEY is what audit.Recorder's Key returned and the host keeps; the anchor is a
// checkpoint that Options.OnCheckpoint was given and that was kept elsewhere.
// Without a key the one in the folder is trusted, which whoever wrote the folder
// could have replaced. It changes nothing. The exit status is 0 when all is intact,
// 1 when something is not, and 2 when it could not be checked.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/query"
	"golang.org/x/mod/sumdb/note"
)

const (
	exitIntact    = 0
	exitDamaged   = 1
	exitUnchecked = 2
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "verify [flags] FOLDER checks a folder of logs, or a copy of one, and its audit trail.\nExit status: 0 when all is intact, 1 when something is not, 2 when it could not be checked.")
		flags.PrintDefaults()
	}
	key := flags.String("key", "", "the `key` that checks the trail; by default that in the folder")
	prove := flags.Int64("prove", -1, "the `seq` of the record to prove; by default the newest")
	var anchors [][]byte
	flags.Func("anchor", "`file` with a checkpoint that was kept elsewhere; may be given several times", func(name string) error {
		text, err := os.ReadFile(name)
		anchors = append(anchors, text)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return exitUnchecked
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(stderr, "verify: name one folder, behind the flags: verify -key KEY data/logs")
		return exitUnchecked
	}
	o := &audit.VerifyOptions{Anchors: anchors}
	if *key != "" {
		verifier, err := note.NewVerifier(*key)
		if err != nil {
			fmt.Fprintln(stderr, "verify: -key:", err)
			return exitUnchecked
		}
		o.Verifiers = note.VerifierList(verifier)
	}
	err := closed(ctx, flags.Arg(0), stdout)
	if err == nil || errors.Is(err, errDamaged) {
		err = errors.Join(err, check(ctx, flags.Arg(0), o, *prove, stdout))
	}
	switch {
	case err == nil:
		return exitIntact
	case errors.Is(err, audit.ErrDamaged), errors.Is(err, errDamaged):
		fmt.Fprintln(stderr, "verify: NOT INTACT:", err)
		if errors.Is(err, audit.ErrUncovered) {
			fmt.Fprintln(stderr, "verify: so does the end look, too, of what was not acknowledged to anybody: when the process was killed, or the disk full, while it was written; opening the trail, or Reopen, puts that right")
		}
		return exitDamaged
	case errors.Is(err, audit.ErrKey):
		fmt.Fprintf(stderr, "verify: no audit trail was checked: %v; a folder without one has none; if there should be a trail, name its key with -key\n", err)
		return exitUnchecked
	default:
		fmt.Fprintln(stderr, "verify:", err)
		return exitUnchecked
	}
}

var errDamaged = errors.New("closed files are damaged")

// closed verifies the closed files.
func closed(ctx context.Context, dir string, w io.Writer) error {
	report, err := query.Verify(ctx, dir)
	if err != nil {
		return err
	}
	if len(report.Damaged) > 0 {
		return fmt.Errorf("%w: %w", errDamaged, errors.Join(report.Damaged...))
	}
	fmt.Fprintf(w, "closed files: %d, of which %d have a sidecar that says what they do\n", report.Files, report.Indexed)
	return nil
}

// check verifies the trail and proves one record.
func check(ctx context.Context, dir string, o *audit.VerifyOptions, prove int64, w io.Writer) error {
	report, err := audit.Verify(ctx, dir, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "intact: records %d to %d in %d files, under %d checkpoints\n", report.First, int64(report.Size)-1, report.Files, report.Checkpoints)
	if report.FolderKey {
		fmt.Fprintln(w, "the key is the folder's own: whoever wrote the folder could have replaced both")
	}
	if len(o.Anchors) == 0 {
		fmt.Fprintln(w, "no anchor: an older state of the whole folder would look the same")
	}
	fmt.Fprintf(w, "compared with %d checkpoints from elsewhere and from audit.checkpoint\n\n%s\n", report.Anchors, report.Checkpoint.Note)
	if report.Size == report.First {
		return nil
	}
	seq := report.Size - 1
	if prove >= 0 {
		seq = uint64(prove)
	}
	return proof(ctx, dir, seq, o, w)
}

// proof makes the proof for one record and checks it as somebody would who has
// nothing but the line, the proof and the key.
func proof(ctx context.Context, dir string, seq uint64, o *audit.VerifyOptions, w io.Writer) (err error) {
	p, err := audit.OpenProver(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	made, err := p.Prove(ctx, seq)
	if err != nil {
		return err
	}
	for line, err := range p.Lines(seq) {
		if err != nil {
			return err
		}
		if o.Verifiers != nil {
			if err := made.Check(line, o.Verifiers); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "record %s is in it, by %d hashes:\n%s\n", strconv.FormatUint(seq, 10), len(made.Hashes), bytes.TrimSpace(line))
		break
	}
	return nil
}
