package line

import "time"

const (
	firstSecond = -62167219200 // 0000-01-01T00:00:00Z
	lastSecond  = 253402300799 // 9999-12-31T23:59:59Z
	epochDays   = 719468       // days from 0000-03-01 to 1970-01-01
	daysPerEra  = 146097       // days in 400 years
)

// appendTimestamp appends t in UTC as RFC 3339 with nine digits, without quotes.
// Times outside the years 0 to 9999, which RFC 3339 cannot say, become the
// nearest one that it can.
func appendTimestamp(b []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), uint64(t.Nanosecond())
	if sec < firstSecond {
		sec, nsec = firstSecond, 0
	} else if sec > lastSecond {
		sec, nsec = lastSecond, 999999999
	}
	return appendSeconds(b, sec, nsec)
}

// appendTime appends t as a JSON string. Unlike [appendTimestamp] it keeps years
// outside 0 to 9999, with as many digits and the sign that they need.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	if sec := t.Unix(); sec >= firstSecond && sec <= lastSecond {
		b = appendSeconds(b, sec, uint64(t.Nanosecond()))
	} else {
		b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	}
	return append(b, '"')
}

// appendUnix appends a time given in nanoseconds since 1970 as a JSON string.
func appendUnix(b []byte, ns int64) []byte {
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	b = append(b, '"')
	b = appendSeconds(b, sec, uint64(nsec))
	return append(b, '"')
}

// appendSeconds appends a time between firstSecond and lastSecond. The calendar
// is Howard Hinnant's days-to-civil, whose years begin in March.
func appendSeconds(b []byte, sec int64, nsec uint64) []byte {
	at := uint64(sec + epochDays*86400) // not negative: firstSecond is 60 days before 0000-03-01, see below
	if sec < -epochDays*86400 {
		at = uint64(sec + (epochDays+daysPerEra)*86400)
	}
	days, clock := at/86400, at%86400
	era, doe := days/daysPerEra, days%daysPerEra
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day := doy - (153*mp+2)/5 + 1
	year := yoe + era*400
	month := mp + 3
	if month > 12 {
		month -= 12
		year++
	}
	if sec < -epochDays*86400 {
		year -= 400
	}

	n := len(b)
	b = append(b, "2006-01-02T15:04:05.000000000Z"...)
	p := b[n : n+30]
	put2(p[0:2], year/100)
	put2(p[2:4], year%100)
	put2(p[5:7], month)
	put2(p[8:10], day)
	put2(p[11:13], clock/3600)
	put2(p[14:16], clock/60%60)
	put2(p[17:19], clock%60)
	put9(p[20:29], nsec)
	return b
}

func put2(p []byte, n uint64) {
	_ = p[1]
	p[0], p[1] = pairs[n*2], pairs[n*2+1]
}

// parseTimestamp reads the form that appendTimestamp writes, and any other form
// of RFC 3339.
func parseTimestamp(s []byte) (time.Time, bool) {
	if len(s) == 30 && s[4] == '-' && s[7] == '-' && s[10] == 'T' && s[13] == ':' && s[16] == ':' && s[19] == '.' && s[29] == 'Z' {
		y1, ok1 := get2(s, 0)
		y2, ok2 := get2(s, 2)
		mo, ok3 := get2(s, 5)
		d, ok4 := get2(s, 8)
		h, ok5 := get2(s, 11)
		mi, ok6 := get2(s, 14)
		se, ok7 := get2(s, 17)
		ns := 0
		okn := true
		for _, c := range s[20:29] {
			okn = okn && c-'0' <= 9
			ns = ns*10 + int(c-'0')
		}
		if ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && okn && mo >= 1 && mo <= 12 && d >= 1 && d <= 28 && h < 24 && mi < 60 && se < 60 {
			return time.Unix(unixSeconds(y1*100+y2, mo, d)+int64(h*3600+mi*60+se), int64(ns)).UTC(), true
		}
	}
	t, err := time.Parse(time.RFC3339Nano, string(s))
	return t.UTC(), err == nil
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
