package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/steplog/steplog/internal/mask"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Hold keeps records from being deleted by retention until it is released: those
// that fit every condition it has. It needs at least one.
type Hold struct {
	// ID names it.
	ID string `json:"id"`
	// From and To are the times of the records, both inclusive.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Actor is the id or the e-mail address of who acted.
	Actor string `json:"actor,omitempty"`
	// FlowID is the flow that the records are about.
	FlowID string `json:"flow,omitempty"`
	// Reason says why.
	Reason string `json:"reason,omitempty"`
}

// selector is a hold, and what records have of its conditions: they are cut, and lack
// the secrets that were registered when they were made.
type selector struct {
	Hold
	actor, flow string
}

func (h *Hold) selector(m *mask.Masker) selector {
	return selector{Hold: *h, actor: storedText(m, h.Actor), flow: storedText(m, h.FlowID)}
}

// storedText is what a record made now has of a text.
func storedText(m *mask.Masker, s string) string {
	w := writer{dst: []byte{'{'}, mask: m}
	w.text("text", s)
	var of struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(append(w.dst, '}'), &of) // it was written just now
	return of.Text
}

// selects reports whether a record is on hold.
func (s *selector) selects(r *Record) bool {
	acted := func(id string) bool { return id == s.Actor || id == s.actor }
	return (s.From.IsZero() || !r.Time.Before(s.From)) &&
		(s.To.IsZero() || !r.Time.After(s.To)) &&
		(s.Actor == "" || acted(r.Actor.ID) || acted(r.Actor.Email) || acted(r.OnBehalfOf.ID) || acted(r.OnBehalfOf.Email)) &&
		(s.FlowID == "" || s.FlowID == r.FlowID || s.flow == r.FlowID)
}

// holds are the holds in force.
type holds struct {
	mu   sync.Mutex // guards what follows, and held while the list is written
	list []Hold
	ours bool // the trail is open: the list is that of its folder, and nobody else writes there
}

// own says whether the list may be written from now on.
func (h *holds) own(ours bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ours = ours
}

const holdsVersion = 1

type holdsFile struct {
	Version int    `json:"version"`
	Holds   []Hold `json:"holds"`
}

func (h *holds) load(fsys vfs.FS, dir string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, err := vfs.ReadWhole(fsys, filepath.Join(dir, holdsName), maxSmallFile)
	if errors.Is(err, fs.ErrNotExist) {
		h.list = nil
		return nil
	}
	if err != nil {
		return err
	}
	var doc holdsFile
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("audit: %s: %w", holdsName, err)
	}
	if doc.Version != holdsVersion {
		return fmt.Errorf("audit: %s: version %d is not one that this program knows", holdsName, doc.Version)
	}
	h.list = doc.Holds
	return nil
}

// write puts a list in force. The caller holds mu.
func (h *holds) write(fsys vfs.FS, dir string, list []Hold) error {
	text, err := json.MarshalIndent(holdsFile{Version: holdsVersion, Holds: list}, "", "  ")
	if err == nil {
		err = vfs.WriteWhole(fsys, filepath.Join(dir, holdsName), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	h.list = list
	return nil
}

// Hold puts records on hold: no file of the trail that has one of them is deleted
// until the hold is released, however old it is. It is durable and recorded when
// Hold returns nil; when it cannot be recorded it is in force all the same, unless the
// trail is not open at all: nothing is placed then. It returns [ErrHold] for a hold
// without an id or a condition, with a To before From, or whose id is taken.
func (r *Recorder) Hold(ctx context.Context, h Hold) error {
	if r == nil {
		return ErrClosed
	}
	if h.ID == "" || h.From.IsZero() && h.To.IsZero() && h.Actor == "" && h.FlowID == "" {
		return fmt.Errorf("%w: an id and a condition are needed", ErrHold)
	}
	if !h.From.IsZero() && !h.To.IsZero() && h.To.Before(h.From) {
		return fmt.Errorf("%w: To is before From", ErrHold)
	}
	r.holds.mu.Lock()
	defer r.holds.mu.Unlock()
	if !r.holds.ours {
		return r.notOpen()
	}
	if slices.ContainsFunc(r.holds.list, func(o Hold) bool { return o.ID == h.ID }) {
		return fmt.Errorf("%w: the id %.80q is taken", ErrHold, h.ID)
	}
	kept := h // beside the trail, where nothing else hides secrets
	kept.Reason, _ = r.mask.Mask(h.Reason)
	if err := r.holds.write(r.fs, r.dir, append(slices.Clone(r.holds.list), kept)); err != nil {
		return err
	}
	_, err := r.Record(ctx, Entry{Event: HoldPlaced, Target: Target{Type: "hold", ID: h.ID},
		FlowID: h.FlowID, Reason: h.Reason, After: h})
	return err
}

// Release ends a hold. It returns [ErrHold] when there is none with this id, and
// leaves the hold in force when its end cannot be recorded.
func (r *Recorder) Release(ctx context.Context, id string) error {
	if r == nil {
		return ErrClosed
	}
	r.holds.mu.Lock()
	defer r.holds.mu.Unlock()
	if !r.holds.ours {
		return r.notOpen()
	}
	i := slices.IndexFunc(r.holds.list, func(o Hold) bool { return o.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: there is none with the id %.80q", ErrHold, id)
	}
	h := r.holds.list[i]
	_, err := r.Record(ctx, Entry{Event: HoldReleased, Target: Target{Type: "hold", ID: h.ID}, FlowID: h.FlowID, Before: h})
	if err != nil {
		return err
	}
	return r.holds.write(r.fs, r.dir, slices.Delete(slices.Clone(r.holds.list), i, i+1))
}

// Holds returns the holds in force.
func (r *Recorder) Holds() []Hold {
	if r == nil {
		return nil
	}
	r.holds.mu.Lock()
	defer r.holds.mu.Unlock()
	return slices.Clone(r.holds.list)
}

// held returns the id of a hold that a file of the trail has records of, "" for
// none. The caller holds mu.
func (h *holds) held(folder *rotation.Folder, name string, m *mask.Masker) (string, error) {
	if len(h.list) == 0 {
		return "", nil
	}
	selectors := make([]selector, len(h.list))
	for i := range h.list {
		selectors[i] = h.list[i].selector(m)
	}
	text, err := folder.ReaderAt(name)
	if err != nil {
		return "", err
	}
	defer text.Close()
	for lines := newLineReader(text, 256<<10); ; {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if !bytes.HasPrefix(line, []byte(recordOpen)) {
			continue
		}
		r, err := ParseRecord(line)
		if err != nil {
			return "", err
		}
		for i := range selectors {
			if selectors[i].selects(&r) {
				return selectors[i].ID, nil
			}
		}
	}
}
