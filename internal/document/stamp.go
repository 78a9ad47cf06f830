package document

import (
	"strconv"
	"time"
)

// stamp is the text of a time, and null when it is none. A page has two for each
// run and step, which as strings would be most of what it allocates.
type stamp struct {
	n    uint8
	text [47]byte // of the largest years too
}

func makeStamp(text []byte) (s stamp) {
	s.n = uint8(copy(s.text[:], text))
	return s
}

// milliseconds is the time of main logs.
func milliseconds(t time.Time) stamp {
	var room [20]byte
	return makeStamp(strconv.AppendInt(room[:0], t.UnixMilli(), 10))
}

// iso is the time of sub and line logs: ISO 8601 in UTC with microseconds,
// whose trailing zeros are cut. A page has a hundred of them, for which
// [time.Time.Format] takes a tenth of the page's time.
func iso(t time.Time) stamp {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return makeStamp(t.AppendFormat(nil, "2006-01-02T15:04:05.999999-07:00"))
	}
	hour, minute, second := t.Clock()
	text := [...]byte{'0' + byte(year/1000), '0' + byte(year/100%10), '0' + byte(year/10%10), '0' + byte(year%10), '-',
		'0' + byte(month/10), '0' + byte(month%10), '-', '0' + byte(day/10), '0' + byte(day%10), 'T',
		'0' + byte(hour/10), '0' + byte(hour%10), ':', '0' + byte(minute/10), '0' + byte(minute%10), ':',
		'0' + byte(second/10), '0' + byte(second%10), '.', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	const point = 19
	end := point
	for i, micro := point+6, t.Nanosecond()/1000; i > point; i, micro = i-1, micro/10 {
		text[i] = '0' + byte(micro%10)
		if end == point && micro%10 != 0 {
			end = i + 1
		}
	}
	return makeStamp(append(text[:end], "+00:00"...))
}

// rfc3339 is the time of the API's logs: RFC 3339 in UTC, trailing zeros cut.
func rfc3339(t time.Time) stamp {
	var room [len(time.RFC3339Nano)]byte
	return makeStamp(t.UTC().AppendFormat(room[:0], time.RFC3339Nano))
}

// MarshalJSON implements [json.Marshaler].
func (s stamp) MarshalJSON() ([]byte, error) { return s.append(nil), nil }

// append appends what MarshalJSON gives.
func (s *stamp) append(dst []byte) []byte {
	if s.n == 0 {
		return append(dst, `null`...)
	}
	return append(append(append(dst, '"'), s.text[:s.n]...), '"')
}
