// Package mask hides secrets before they reach any sink: values whose key says
// that they are secret, and registered values wherever they occur.
package mask

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Hidden stands in the place of a secret.
const Hidden = "***"

// minSecret is the shortest value, in bytes, that can be registered. Shorter ones
// occur by chance: a masker for them would hide ordinary text.
const minSecret = 4

// ErrTooShort is returned by [Masker.AddSecret] for a value under 4 bytes.
// Nothing is registered then.
var ErrTooShort = errors.New("mask: secret is shorter than 4 bytes")

// Masker hides secrets. A nil Masker hides nothing. It is safe for concurrent
// use; a value that is registered is hidden in every call that begins afterwards.
type Masker struct {
	keys *keySet // immutable

	mu    sync.Mutex
	known map[string]bool // every form of every secret; guarded by mu

	set atomic.Pointer[matcher] // nil until there is a secret
}

// New returns a Masker that hides the values of the default keys and of keys. A
// key matches as [Masker.Key] says; empty ones are ignored.
func New(keys []string) *Masker {
	return &Masker{keys: newKeySet(append(slices.Clone(defaultKeys), keys...)), known: map[string]bool{}}
}

// Key reports whether the value of a key with this name must be hidden: whether
// the name, regardless of case and of the separators in it, is one of the
// masker's keys, or ends with one, as db_password, X-Api-Key and refreshToken2
// do. Keys of under five letters must be a word of the name: pwd is hidden in
// dbPwd and DBPwd, not in cpwd.
func (m *Masker) Key(name string) bool { return m != nil && m.keys.has(name) }

// AddSecret hides value from now on, wherever it occurs: as it is, in base64 (both
// alphabets, whatever stands before it), escaped for any part of a URL, and escaped for
// JSON, by the rules of Go and of other languages. White space around it does not count.
// Of a value of several lines each line of at least 4 bytes is hidden too,
// because output comes line by line.
//
// It returns [ErrTooShort] for a value under 4 bytes. A value cannot be taken back.
func (m *Masker) AddSecret(value string) error {
	value = strings.TrimSpace(value)
	if len(value) < minSecret {
		return ErrTooShort
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var added []string
	for _, form := range forms(value) {
		if !m.known[form] {
			m.known[form] = true
			added = append(added, form)
		}
	}
	if set := m.set.Load(); len(added) > 0 && (set == nil || !set.add(added)) {
		m.set.Store(newMatcher(m.known))
	}
	return nil
}

// HasSecrets reports whether a value was registered. It is one atomic load.
func (m *Masker) HasSecrets() bool { return m != nil && m.set.Load() != nil }

// Version tells whether values were registered since it was asked last: 0 while
// there is none, and larger with each. It is one atomic load.
func (m *Masker) Version() uint64 {
	if m == nil {
		return 0
	}
	if set := m.set.Load(); set != nil {
		return uint64(set.forms.Load())
	}
	return 0
}

// Mask returns s with every registered value in it replaced by [Hidden], and
// whether anything was. Values that overlap are replaced together. It does not
// allocate when it changes nothing.
func (m *Masker) Mask(s string) (masked string, changed bool) {
	if m == nil {
		return s, false
	}
	set := m.set.Load()
	if set == nil || len(s) < set.window {
		return s, false
	}
	return set.mask(s, len(s))
}

// Head is Mask of the first n bytes of s, for a text that is cut there: a value that
// begins in them is hidden, wherever in s it ends.
func (m *Masker) Head(s string, n int) string {
	n = min(n, len(s))
	if m == nil {
		return s[:n]
	}
	set := m.set.Load()
	if set == nil || len(s) < set.window {
		return s[:n]
	}
	head, _ := set.mask(s, n)
	return head
}

// Contains reports whether a registered value occurs in b.
func (m *Masker) Contains(b []byte) bool {
	if m == nil {
		return false
	}
	set := m.set.Load()
	if set == nil || len(b) < set.window {
		return false
	}
	from, _ := set.find(view(b), 0)
	return from >= 0
}
