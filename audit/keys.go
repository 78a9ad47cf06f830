package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/internal/vfs"
)

// Names of the trail's own files; see FORMAT.md.
const (
	logName        = "audit"
	activeName     = "audit.log"
	nextName       = "audit.log.next"
	brokenName     = "audit.log.broken"
	checkpointName = "audit.checkpoint"
	keyName        = "audit.key"
	hmacName       = "audit.hmac"
	frontiersName  = "audit.frontiers"
	holdsName      = "audit.holds"
	lockName       = "audit.lock"
)

// hmacBytes is the length of the key that hides values.
const hmacBytes = 32

// maxSmallFile bounds what is read of the trail's small files.
const maxSmallFile = 16 << 20

// keyPair is what audit.key holds: the key that signs, and the one that checks.
type keyPair struct{ signer, verifier string }

// folderKey reads audit.key. The error wraps fs.ErrNotExist when there is none.
func folderKey(fsys vfs.FS, dir string) (keyPair, error) {
	text, err := vfs.ReadWhole(fsys, filepath.Join(dir, keyName), maxSmallFile)
	if err != nil {
		return keyPair{}, err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" {
		return keyPair{}, fmt.Errorf("%w: %s has not two lines", ErrKey, keyName)
	}
	return keyPair{signer: lines[0], verifier: lines[1]}, nil
}

// makeFolderKey makes audit.key. The name of the key is the trail's, so it is
// one that no other trail has.
func makeFolderKey(fsys vfs.FS, dir string) (keyPair, error) {
	var id [8]byte
	rand.Read(id[:]) // never fails
	signer, verifier, err := note.GenerateKey(rand.Reader, "steplog-"+hex.EncodeToString(id[:]))
	if err != nil {
		return keyPair{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	pair := keyPair{signer, verifier}
	return pair, vfs.WriteWhole(fsys, filepath.Join(dir, keyName), []byte(signer+"\n"+verifier+"\n"))
}

// folderHMAC reads or makes audit.hmac.
func folderHMAC(fsys vfs.FS, dir string) ([]byte, error) {
	path := filepath.Join(dir, hmacName)
	text, err := vfs.ReadWhole(fsys, path, maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, hmacBytes)
		rand.Read(key) // never fails
		return key, vfs.WriteWhole(fsys, path, []byte(hex.EncodeToString(key)+"\n"))
	}
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != hmacBytes {
		return nil, fmt.Errorf("%w: %s does not hold %d bytes in hexadecimal: restore it from a copy; "+
			"if there is none remove it, and hidden values cannot be compared with those of earlier records", ErrKey, hmacName, hmacBytes)
	}
	return key, nil
}
