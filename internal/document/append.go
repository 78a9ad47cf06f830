package document

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/steplog/steplog/query"
)

// A page has a thousand small values, and encoding/json looks at the type of each
// and checks details that were checked when the line was read: it takes several
// times as long as the engine does to find them. AppendJSON gives what encoding/json
// gives, byte for byte.

// AppendJSON appends what [json.Marshal] gives for m.
func (m *Main) AppendJSON(dst []byte) []byte {
	dst = m.Created.append(append(dst, `{"created":`...))
	dst = appendUint(dst, `,"id":`, m.ID)
	dst = appendText(dst, `,"process_group_id":`, m.Group)
	dst = appendText(dst, `,"process_group_name":`, m.GroupName)
	dst = appendOptional(dst, `,"parent_process_group_id":`, m.ParentGroup)
	dst = appendText(dst, `,"original_filename_uuid":`, m.OriginalUUID)
	dst = appendText(dst, `,"filename_uuid":`, m.UUID)
	dst = appendInt(dst, `,"state":`, int64(m.State))
	dst = appendInt(dst, `,"status":`, int64(m.Status))
	dst = m.Finished.append(append(dst, `,"finished":`...))
	dst = appendCount(dst, `,"fragment_count":`, m.Fragments)
	dst = appendInt(dst, `,"process_count":`, m.Processed)
	dst = appendInt(dst, `,"success_count":`, m.Succeeded)
	dst = appendInt(dst, `,"fail_count":`, m.Failed)
	dst = appendBool(dst, `,"in_bound":`, m.Inbound)
	dst = appendOptional(dst, `,"schedule":`, m.Schedule)
	dst = appendBool(dst, `,"is_triggered":`, m.Triggered)
	dst = appendText(dst, `,"triggered_by":`, m.TriggeredBy)
	dst = appendInt(dst, `,"log_type":`, int64(m.Type))
	dst = appendInt(dst, `,"flow_order":`, int64(m.Order))
	dst = appendInt(dst, `,"is_send_S3":`, int64(m.Archived))
	dst = append(dst, `,"sub_flows":`...)
	if m.SubFlows == nil {
		return append(dst, `null}`...)
	}
	dst, _ = appendArray(dst, m.SubFlows, func(dst []byte, s *Sub) ([]byte, error) { return s.AppendJSON(dst), nil })
	return append(dst, '}')
}

// AppendJSON appends what [json.Marshal] gives for s.
func (s *Sub) AppendJSON(dst []byte) []byte {
	dst = s.Created.append(append(dst, `{"created":`...))
	dst = appendUint(dst, `,"id":`, s.ID)
	dst = appendText(dst, `,"process_group_id":`, s.Group)
	dst = appendText(dst, `,"process_group_name":`, s.GroupName)
	dst = appendOptional(dst, `,"parent_process_group_id":`, s.ParentGroup)
	dst = appendText(dst, `,"original_filename_uuid":`, s.OriginalUUID)
	dst = appendText(dst, `,"filename_uuid":`, s.UUID)
	dst = appendInt(dst, `,"state":`, int64(s.State))
	dst = appendInt(dst, `,"status":`, int64(s.Status))
	dst = s.Finished.append(append(dst, `,"finished":`...))
	dst = appendInt(dst, `,"process_count":`, s.Processed)
	dst = appendInt(dst, `,"success_count":`, s.Succeeded)
	dst = appendInt(dst, `,"fail_count":`, s.Failed)
	dst = appendBool(dst, `,"in_bound":`, s.Inbound)
	dst = appendOptional(dst, `,"schedule":`, s.Schedule)
	dst = appendBool(dst, `,"is_triggered":`, s.Triggered)
	dst = appendText(dst, `,"triggered_by":`, s.TriggeredBy)
	dst = appendInt(dst, `,"log_type":`, int64(s.Type))
	dst = appendInt(dst, `,"flow_order":`, int64(s.Order))
	dst = appendInt(dst, `,"is_send_S3":`, int64(s.Archived))
	dst = appendCount(dst, `,"fragment_count":`, s.Fragments)
	return append(appendInt(dst, `,"row_num":`, int64(s.Row)), '}')
}

// AppendJSON appends what [json.Marshal] gives for l, whose Fields and Error must
// be JSON without blanks.
func (l *Line) AppendJSON(dst []byte) []byte {
	dst = l.Created.append(append(dst, `{"created":`...))
	dst = appendUint(dst, `,"id":`, l.ID)
	dst = appendText(dst, `,"process_group_id":`, l.Group)
	dst = appendText(dst, `,"process_group_name":`, l.GroupName)
	dst = appendOptional(dst, `,"parent_process_group_id":`, l.ParentGroup)
	dst = appendText(dst, `,"original_filename_uuid":`, l.OriginalUUID)
	dst = appendText(dst, `,"filename_uuid":`, l.UUID)
	dst = appendInt(dst, `,"log_type":`, int64(l.Type))
	dst = appendInt(dst, `,"flow_order":`, int64(l.Order))
	dst = appendInt(dst, `,"row_num":`, int64(l.Row))
	dst = appendText(dst, `,"level":`, l.Level)
	dst = appendText(dst, `,"label":`, l.Label)
	dst = appendText(dst, `,"message":`, l.Message)
	dst = AppendHTML(append(dst, `,"fields":`...), orNull(l.Fields))
	if len(l.Error) > 0 {
		dst = AppendHTML(append(dst, `,"error":`...), l.Error)
	}
	return append(dst, '}')
}

// AppendJSON appends what [json.Marshal] gives for e, whose Details must be JSON
// without blanks.
func (e *Entry) AppendJSON(dst []byte) []byte {
	dst = e.Timestamp.append(append(dst, `{"timestamp":`...))
	dst = appendText(dst, `,"level":`, e.Level)
	dst = appendText(dst, `,"service":`, e.Service)
	dst = appendText(dst, `,"message":`, e.Message)
	if len(e.Details) > 0 {
		dst = AppendHTML(append(dst, `,"details":`...), e.Details)
	}
	return append(dst, '}')
}

// AppendMains appends the documents of runs as an array.
func AppendMains(dst []byte, runs []query.MainLog) ([]byte, error) {
	room := []Sub{}
	return appendArray(dst, runs, func(dst []byte, m *query.MainLog) ([]byte, error) {
		d := makeMain(m, room)
		room = d.SubFlows[:0]
		return d.AppendJSON(dst), nil
	})
}

// AppendSubs appends the documents of steps as an array.
func AppendSubs(dst []byte, steps []query.SubLog) ([]byte, error) {
	return appendArray(dst, steps, func(dst []byte, s *query.SubLog) ([]byte, error) {
		d := makeSub(s)
		return d.AppendJSON(dst), nil
	})
}

// AppendLines appends the documents of records as an array. It asks e for the
// steps that they were logged in, and returns the first error.
func AppendLines(ctx context.Context, dst []byte, e *query.Engine, records []query.Record) ([]byte, error) {
	steps := newPlaces(ctx, e)
	return appendArray(dst, records, func(dst []byte, r *query.Record) ([]byte, error) {
		p, err := steps.of(r)
		if err != nil {
			return dst, err
		}
		d, err := makeLine(r, p)
		return d.AppendJSON(dst), err
	})
}

// AppendEntries appends the API's documents of records as an array.
func AppendEntries(dst []byte, records []query.Record) ([]byte, error) {
	return appendArray(dst, records, func(dst []byte, r *query.Record) ([]byte, error) {
		d, err := makeEntry(r)
		return d.AppendJSON(dst), err
	})
}

// appendArray appends a JSON array of documents, one at a time: a page of them
// would be as much memory again as its text.
func appendArray[T any](dst []byte, items []T, document func([]byte, *T) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = document(dst, &items[i]); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// AppendHTML appends JSON with the characters escaped that encoding/json escapes
// so that it can stand in a page. They can be in its strings only.
func AppendHTML(dst, text []byte) []byte {
	plain := true
	for _, c := range [...]byte{'<', '>', '&', 0xe2} {
		plain = plain && bytes.IndexByte(text, c) < 0
	}
	if plain {
		return append(dst, text...)
	}
	from := 0
	for i, c := range text {
		switch {
		case c == '<' || c == '>' || c == '&':
			dst = append(append(dst, text[from:i]...), '\\', 'u', '0', '0', hexes[c>>4], hexes[c&15])
			from = i + 1
		case c == 0xe2 && i+2 < len(text) && text[i+1] == 0x80 && text[i+2]&^1 == 0xa8: // U+2028 and U+2029 end lines in JavaScript
			dst = append(append(dst, text[from:i]...), '\\', 'u', '2', '0', '2', hexes[text[i+2]&15])
			from = i + 3
		}
	}
	return append(dst, text[from:]...)
}

const hexes = "0123456789abcdef"

// asItIs says which bytes stand in a string of encoding/json as they are. immutable.
var asItIs = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

func appendText(dst []byte, key, s string) []byte {
	dst = append(append(dst, key...), '"')
	begin, from := len(dst), 0
	for i := range len(s) {
		switch c := s[i]; {
		case asItIs[c]:
			continue
		case c == '"' || c == '\\':
			dst = append(append(dst, s[from:i]...), '\\', c)
		case c == '<' || c == '>' || c == '&':
			dst = append(append(dst, s[from:i]...), '\\', 'u', '0', '0', hexes[c>>4], hexes[c&15])
		default: // nothing that is frequent
			text, _ := json.Marshal(s) // strings always encode
			return append(dst[:begin-1], text...)
		}
		from = i + 1
	}
	return append(append(dst, s[from:]...), '"')
}

func appendOptional(dst []byte, key string, s optional) []byte {
	if s == "" {
		return append(append(dst, key...), `null`...)
	}
	return appendText(dst, key, string(s))
}

func appendInt(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(dst, key...), n, 10)
}

func appendUint(dst []byte, key string, n uint64) []byte {
	return strconv.AppendUint(append(dst, key...), n, 10)
}

func appendCount(dst []byte, key string, n count) []byte {
	if n == 0 {
		return append(append(dst, key...), `null`...)
	}
	return appendInt(dst, key, int64(n))
}

func appendBool(dst []byte, key string, b bool) []byte {
	return strconv.AppendBool(append(dst, key...), b)
}

func orNull(text json.RawMessage) json.RawMessage {
	if text == nil {
		return json.RawMessage(`null`)
	}
	return text
}
