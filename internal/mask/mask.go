// Package mask hides secrets: values whose key says that they are secret, and
// registered values wherever they occur.
package mask

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
)

// Hidden stands in the place of a secret.
const Hidden = "***"

// ErrTooShort is returned by [Masker.AddSecret] for a value under 4 bytes: it
// would be found in ordinary text everywhere.
var ErrTooShort = errors.New("mask: secret is shorter than 4 bytes")

// Masker hides secrets. A nil Masker hides nothing. It is safe for concurrent
// use.
type Masker struct {
	keys    *keySet
	mu      sync.Mutex
	secrets []string
	set     atomic.Pointer[[]string]
}

// New returns a Masker that hides the values of the default keys and of keys.
func New(keys []string) *Masker { return &Masker{keys: newKeySet(keys)} }

type keySet struct{ words map[string]bool }

func newKeySet(extra []string) *keySet {
	s := &keySet{words: map[string]bool{}}
	for _, w := range defaults {
		s.words[normal(w)] = true
	}
	for _, w := range extra {
		s.words[normal(w)] = true
	}
	return s
}

var defaults = []string{"password", "passwd", "pwd", "secret", "token", "api_key", "authorization", "cookie", "private_key", "passphrase", "credentials", "session_id"}

func normal(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(s))
}

// Key reports whether the value of a key with this name must be hidden.
func (m *Masker) Key(name string) bool {
	if m == nil {
		return false
	}
	n := normal(name)
	for w := range m.keys.words {
		if strings.HasSuffix(n, w) {
			return true
		}
	}
	return false
}

// AddSecret hides value from now on, wherever it occurs.
func (m *Masker) AddSecret(value string) error {
	if len(value) < 4 {
		return ErrTooShort
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets = append(m.secrets, value)
	s := append([]string(nil), m.secrets...)
	m.set.Store(&s)
	return nil
}

// HasSecrets reports whether a value was registered.
func (m *Masker) HasSecrets() bool { return m != nil && m.set.Load() != nil }

// Mask returns s with every registered value replaced by [Hidden], and whether
// anything was replaced.
func (m *Masker) Mask(s string) (string, bool) {
	if m == nil {
		return s, false
	}
	p := m.set.Load()
	if p == nil {
		return s, false
	}
	changed := false
	for _, x := range *p {
		if strings.Contains(s, x) {
			s, changed = strings.ReplaceAll(s, x, Hidden), true
		}
	}
	return s, changed
}

// Contains reports whether a registered value occurs in b.
func (m *Masker) Contains(b []byte) bool {
	_, changed := m.Mask(string(b))
	return changed
}
