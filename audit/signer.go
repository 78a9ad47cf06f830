package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/mod/sumdb/note"
)

// hostKeys returns what checks the checkpoints that a host signs: the keys that
// it named and, where its own is not among them, what can be made of the signer.
func hostKeys(signer note.Signer, named note.Verifiers) (note.Verifiers, error) {
	trusted := named
	wrong := "what Signer signs is not signed with the key that Verifiers have for it"
	unknown := (*note.UnknownVerifierError)(nil)
	if named != nil {
		_, err := named.Verifier(signer.Name(), signer.KeyHash())
		errors.As(err, &unknown) // what else is wrong with it will show
	}
	if named == nil || unknown != nil {
		trusted = verifiers{named, note.VerifierList(verifierOf(signer))}
		wrong = "Signer signs the same text in different ways, or checks none of what it signs, and needs Verifiers"
	}
	right, err := checks(trusted, signer)
	if err == nil && !right {
		err = fmt.Errorf("%w: %s", ErrOptions, wrong)
	}
	return trusted, err
}

// verifierOf makes a verifier of a signer: it is one itself, or signs a text the
// same way each time, as Ed25519 does (RFC 8032 §5.1.6), so that a signature is
// right when it is what the signer would say now.
func verifierOf(signer note.Signer) note.Verifier {
	if v, ok := signer.(note.Verifier); ok {
		return v
	}
	return &resigner{signer: signer}
}

// checks reports whether keys check what a signer signs. Where they do not, that would
// show when the trail is opened the next time, and pass for damage.
func checks(trusted note.Verifiers, signer note.Signer) (bool, error) {
	point, err := signCheckpoint(signer.Name(), &frontier{}, signer)
	if err != nil {
		return false, err
	}
	_, err = OpenCheckpoint(point.Note, trusted)
	return err == nil, nil
}

// folderSigner signs with the key in the folder.
type folderSigner struct{ note.Signer }

// sign has a signer sign. One that is the host's signs apart, and its panic is an error:
// commits are made on a goroutine of the Recorder, where no host could recover from it.
func sign(signer note.Signer, text []byte) (signature []byte, err error) {
	if own, is := signer.(folderSigner); is {
		return own.Sign(text)
	}
	if wrong := apart(func() { signature, err = signer.Sign(text) }); wrong != "" {
		return nil, fmt.Errorf("the signer %s", wrong)
	}
	return signature, err
}

// resigner checks signatures by making them again.
type resigner struct {
	mu     sync.Mutex // held while signer signs: it knows of one caller only
	signer note.Signer
}

func (r *resigner) Name() string    { return r.signer.Name() }
func (r *resigner) KeyHash() uint32 { return r.signer.KeyHash() }

// Verify reports whether sig is what the signer makes of msg.
func (r *resigner) Verify(msg, sig []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	want, err := sign(r.signer, msg)
	return err == nil && bytes.Equal(want, sig)
}

// keys returns the key that signs and those that are trusted.
func (r *Recorder) keys() (note.Signer, note.Verifiers, error) {
	if r.opts.Signer != nil {
		trusted, err := hostKeys(r.opts.Signer, r.opts.Verifiers)
		return r.opts.Signer, trusted, err
	}
	pair, err := folderKey(r.fs, r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		sealed, active, err := trailFiles(r.fs, r.dir)
		if err != nil {
			return nil, nil, err
		}
		published, err := exists(r.fs, r.dir, checkpointName)
		if err != nil {
			return nil, nil, err
		}
		if active || published || len(sealed) > 0 {
			return nil, nil, fmt.Errorf("%w: %s is gone, and the trail is not; restore it from a copy, or keep all of audit* elsewhere and begin another trail",
				ErrKey, keyName)
		}
		if pair, err = makeFolderKey(r.fs, r.dir); err != nil {
			return nil, nil, err
		}
	} else if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(pair.signer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrKey, keyName, err)
	}
	verifier, err := note.NewVerifier(pair.verifier)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrKey, keyName, err)
	}
	trusted := verifiers{note.VerifierList(verifier), r.opts.Verifiers}
	right, err := checks(trusted, signer)
	if err == nil && !right {
		err = fmt.Errorf("%w: %s: one of its keys does not check what the other signs", ErrKey, keyName)
	}
	return folderSigner{signer}, trusted, err
}

// verifiers asks one after the other.
type verifiers []note.Verifiers

// Verifier returns the first that is known.
func (v verifiers) Verifier(name string, hash uint32) (note.Verifier, error) {
	err := error(&note.UnknownVerifierError{Name: name, KeyHash: hash})
	for _, list := range v {
		if list == nil {
			continue
		}
		var found note.Verifier
		if found, err = list.Verifier(name, hash); err == nil {
			return found, nil
		}
	}
	return nil, err
}

// Key returns the text of the key that checks the checkpoints of a trail whose
// key lies in the folder, for note.NewVerifier. Kept elsewhere it lets others
// check the trail. It returns [ErrKey] when the host signs.
func (r *Recorder) Key() (string, error) {
	if r == nil {
		return "", ErrClosed
	}
	if r.opts.Signer != nil {
		return "", fmt.Errorf("%w: the host has it", ErrKey)
	}
	pair, err := folderKey(r.fs, r.dir)
	return pair.verifier, err
}
