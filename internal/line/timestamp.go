package line

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"
)

const (
	firstSecond = -62167219200 // 0000-01-01T00:00:00Z
	lastSecond  = 253402300799 // 9999-12-31T23:59:59Z
	epochDays   = 719468       // days from 0000-03-01 to 1970-01-01
	daysPerEra  = 146097       // days in 400 years
)

const (
	timestampSize = 30 // bytes of a timestamp
	timestampRoom = 32 // that writing one may take
)

// appendTimestamp appends t in UTC as RFC 3339 with nine digits, without quotes.
// Times outside the years 0 to 9999, which RFC 3339 cannot say, become the
// nearest one that it can.
func appendTimestamp(b []byte, t time.Time) []byte {
	b = reserve(b, timestampRoom)
	n := len(b)
	sec, nsec := instant(t)
	p := (*[timestampRoom]byte)(b[n : n+timestampRoom])
	w := secondText(sec)
	w.put(p)
	putNanoseconds(p, nsec)
	return b[:n+timestampSize]
}

// instant returns t as seconds and nanoseconds, t being moved into the years 0 to
// 9999.
func instant(t time.Time) (sec int64, nsec uint64) {
	sec, nsec = t.Unix(), uint64(t.Nanosecond())
	if sec < firstSecond {
		return firstSecond, 0
	}
	if sec > lastSecond {
		return lastSecond, 999999999
	}
	return sec, nsec
}

// Nanoseconds returns t in Unix nanoseconds, and for times that an int64 cannot tell so,
// before 1677 and after 2262, the first or the last second that it can: earlier ones stay
// before all others, and later ones behind.
func Nanoseconds(t time.Time) int64 {
	const first, last = math.MinInt64 / int64(time.Second), math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case s < first:
		return first * int64(time.Second)
	case s >= last:
		return last * int64(time.Second)
	}
	return t.UnixNano()
}

// appendTime appends t as a JSON string. Unlike [appendTimestamp] it keeps years
// outside 0 to 9999, with as many digits and the sign that they need.
func appendTime(b []byte, t time.Time) []byte {
	if sec := t.Unix(); sec >= firstSecond && sec <= lastSecond {
		return appendSeconds(b, sec, uint64(t.Nanosecond()))
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	return append(b, '"')
}

// appendUnix appends a time given in nanoseconds since 1970 as a JSON string.
func appendUnix(b []byte, ns int64) []byte {
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	return appendSeconds(b, sec, uint64(nsec))
}

// appendSeconds appends a time between firstSecond and lastSecond as a JSON string.
func appendSeconds(b []byte, sec int64, nsec uint64) []byte {
	b = reserve(b, timestampRoom+2)
	n := len(b)
	b[:n+1][n] = '"'
	p := (*[timestampRoom]byte)(b[n+1 : n+1+timestampRoom])
	w := secondText(sec)
	w.put(p)
	putNanoseconds(p, nsec)
	return append(b[:n+1+timestampSize], '"')
}

// secondWords is the text of a second, up to and including the point.
type secondWords struct {
	a, b uint64
	c    uint32
}

func (w *secondWords) put(p *[timestampRoom]byte) {
	binary.LittleEndian.PutUint64(p[:], w.a)
	binary.LittleEndian.PutUint64(p[8:], w.b)
	binary.LittleEndian.PutUint32(p[16:], w.c)
}

// secondText returns the text of a second between firstSecond and lastSecond. The
// calendar is Howard Hinnant's days-to-civil, whose years begin in March.
func secondText(sec int64) (w secondWords) {
	at := uint64(sec + (epochDays+daysPerEra)*86400) // since -400-03-01
	day := at / 86400
	clock := at - day*86400
	era, doe := day/daysPerEra, day%daysPerEra
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	date := doy - (153*mp+2)/5 + 1
	year := yoe + era*400 - 400
	month := mp + 3
	if month > 12 {
		month -= 12
		year++
	}
	century := year / 100
	hour := clock / 3600
	minute := clock / 60 % 60
	two := func(n uint64) uint64 { return uint64(pair(n)) }
	w.a = two(century) | two(year-century*100)<<16 | '-'<<32 | two(month)<<40 | '-'<<56
	w.b = two(date) | 'T'<<16 | two(hour)<<24 | ':'<<40 | two(minute)<<48
	w.c = ':' | uint32(pair(clock%60))<<8 | '.'<<24
	return w
}

// putNanoseconds writes what stands after the point.
func putNanoseconds(p *[timestampRoom]byte, nsec uint64) {
	high := nsec / 10
	binary.LittleEndian.PutUint64(p[20:], eightDigits(high)|zeros)
	p[28] = byte('0' + nsec - high*10)
	p[29] = 'Z'
}

// secondCache remembers the text of the second that was written last: most records
// have the second of the one before. It is safe for concurrent use and never
// waits: version is odd while someone writes, and who finds it odd or changed goes
// without.
type secondCache struct {
	version atomic.Uint64
	sec     atomic.Int64
	a, b, c atomic.Uint64
}

// put writes the text of a second to p.
func (s *secondCache) put(p *[timestampRoom]byte, sec int64) {
	version := s.version.Load()
	if s.sec.Load() == sec {
		w := secondWords{s.a.Load(), s.b.Load(), uint32(s.c.Load())}
		w.put(p)
		if version&1 == 0 && s.version.Load() == version && w.c != 0 {
			return
		}
	}
	w := secondText(sec)
	w.put(p)
	if version&1 == 0 && s.version.CompareAndSwap(version, version+1) {
		s.sec.Store(sec)
		s.a.Store(w.a)
		s.b.Store(w.b)
		s.c.Store(uint64(w.c))
		s.version.Store(version + 2)
	}
}

// surely is how many days a month has in every year.
var surely = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} // immutable

// parseTimestamp reads the form that appendTimestamp writes, and any other form
// of RFC 3339.
func parseTimestamp(s []byte) (time.Time, bool) {
	if len(s) == timestampSize && s[4] == '-' && s[7] == '-' {
		y1, ok1 := get2(s, 0)
		y2, ok2 := get2(s, 2)
		mo, ok3 := get2(s, 5)
		d, ok4 := get2(s, 8)
		if ok1 && ok2 && ok3 && ok4 && mo >= 1 && mo <= 12 && d >= 1 && d <= surely[mo] {
			if t, ok := timeOfDay(s, unixSeconds(y1*100+y2, mo, d)); ok {
				return t, true
			}
		}
	}
	t, err := time.Parse(time.RFC3339Nano, string(s))
	return t.UTC(), err == nil
}

// timeOfDay reads what stands behind the date in the form that appendTimestamp writes;
// midnight is when that day begins, in Unix seconds.
func timeOfDay(s []byte, midnight int64) (time.Time, bool) {
	if len(s) != timestampSize || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[29] != 'Z' {
		return time.Time{}, false
	}
	h, ok1 := get2(s, 11)
	mi, ok2 := get2(s, 14)
	se, ok3 := get2(s, 17)
	ns, ok4 := readEight(binary.LittleEndian.Uint64(s[20:]))
	last := s[28] - '0'
	if !ok1 || !ok2 || !ok3 || !ok4 || last > 9 || h >= 24 || mi >= 60 || se >= 60 {
		return time.Time{}, false
	}
	return time.Unix(midnight+int64(h*3600+mi*60+se), int64(ns)*10+int64(last)).UTC(), true
}

// readEight returns the number that eight digits are, the first in the lowest byte:
// pairs of them, then of those, are put together by one multiplication each.
func readEight(x uint64) (n uint64, ok bool) {
	if (x&(ones*0xf0) | (x+ones*0x06)&(ones*0xf0)>>4) != ones*0x33 {
		return 0, false
	}
	x &= ones * 0x0f
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return (x*10000 + x>>32) & 0xffffffff, true
}

// unixSeconds is the inverse of the calendar in appendSeconds, for years from 0.
func unixSeconds(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	year += 400 // keeps January and February of year 0 positive
	era, yoe := year/400, year%400
	doy := (153*(month-3)+2)/5 + day - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64((era-1)*daysPerEra+doe-epochDays) * 86400
}

func get2(s []byte, i int) (int, bool) {
	a, b := s[i]-'0', s[i+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}
