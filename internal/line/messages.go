package line

import (
	"encoding/json"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	messageBits  = 10
	messageSlots = 1 << messageBits
	// mostMessages bounds the messages that have a code, maxMessage their bytes.
	mostMessages = 4096
	maxMessage   = 1024

	cacheLine = 64
)

// Messages gives codes to the messages of a program's statements: they are few and come
// again and again. A row that has one tells what its message is without its line.
//
// Messages get codes only while somebody asks, see [Messages.Ask]. It is safe for
// concurrent use.
type Messages struct {
	asked atomic.Bool
	seed  maphash.Seed
	list  atomic.Pointer[[]string] // by code, from 1 on; only appended to

	mu    sync.Mutex
	codes map[string]uint16 // guarded by mu

	_     [cacheLine]byte // what all calls read stands apart from what some write
	slots [messageSlots]messageSlot
}

// messageSlot is where a code is looked for first.
type messageSlot struct {
	known  atomic.Pointer[knownMessage]
	missed atomic.Uint32 // hash of the message that was last not known
}

// knownMessage is a message and its code. It is immutable.
type knownMessage struct {
	text string
	code uint16 // 0 for one that gets none
}

// NewMessages returns Messages that nobody asks yet.
func NewMessages() *Messages {
	m := &Messages{seed: maphash.MakeSeed(), codes: map[string]uint16{}}
	m.list.Store(&[]string{""})
	return m
}

// Ask has records get the codes of their messages, or no longer: where nobody asks they
// cost nothing.
func (m *Messages) Ask(on bool) {
	if m.asked.Load() != on {
		m.asked.Store(on)
	}
}

// Text returns the message that has a code, as it is read from its lines.
func (m *Messages) Text(code uint16) string { return (*m.list.Load())[code] }

// Code returns the code of a message, 0 where it has none. It gets one when it comes again
// before others that are looked for in the same place, if it can be read from a line.
func (m *Messages) Code(text string) uint16 {
	id := idOf(text)
	id.x += uint64(len(text))
	slot := &m.slots[id.hash()>>(64-messageBits)]
	if k := slot.known.Load(); k != nil && k.text == text {
		return k.code
	}
	return m.missed(slot, text)
}

func (m *Messages) missed(slot *messageSlot, text string) uint16 {
	if len(text) > maxMessage {
		return 0
	}
	if hash := uint32(maphash.String(m.seed, text)); slot.missed.Load() != hash {
		slot.missed.Store(hash)
		return 0
	}
	k := m.know(text)
	slot.known.Store(k)
	return k.code
}

// know gives a message a code, or finds that it gets none, which is so for good.
func (m *Messages) know(text string) *knownMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := *m.list.Load()
	if code := m.codes[text]; code != 0 {
		return &knownMessage{list[code], code}
	}
	text = strings.Clone(text)
	if len(list) == mostMessages || !readsAs(text) {
		return &knownMessage{text: text}
	}
	code := uint16(len(list))
	list = append(list, text)
	m.list.Store(&list)
	m.codes[text] = code
	return &knownMessage{text, code}
}

// readsAs reports whether a text is read from a line as it was logged: what is not UTF-8
// is not.
func readsAs(text string) bool {
	var read string
	return json.Unmarshal(appendQuoted(nil, text), &read) == nil && read == text
}
