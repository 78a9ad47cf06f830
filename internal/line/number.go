package line

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"
)

// pairs has the text of the numbers below 100, the first digit lowest. Its length
// lets an index be masked in place of a check.
var pairs = func() (p [128]uint16) {
	for i := range 100 {
		p[i] = uint16('0'+i/10) | uint16('0'+i%10)<<8
	}
	return p
}()

func pair(n uint64) uint16 { return pairs[n%128] }

// fourDigits returns the text of n, below 10^4, as four bytes, the first lowest.
func fourDigits(n uint64) uint32 {
	h := n / 100
	return uint32(pair(h)) | uint32(pair(n-h*100))<<16
}

// eightDigits returns the decimal digits of n, below 10^8, as the values of eight
// bytes, the first digit lowest. Four numbers of two digits, then eight of one,
// are divided side by side in one word. The multiplications are the usual ones for
// dividing by 100 below 10^4 and by 10 below 100.
func eightDigits(n uint64) uint64 {
	n = n/1e4 | n%1e4<<32
	q := n * 10486 >> 20 & 0x0000007f_0000007f
	n = q | (n-q*100)<<16
	return twoDigits(n, 0x000f_000f_000f_000f)
}

// twoDigits splits the numbers in n, each below 100, into two digits each. mask
// has 0xf where a number begins.
func twoDigits(n, mask uint64) uint64 {
	q := n * 103 >> 10 & mask
	return q | (n-q*10)<<8
}

const (
	zeros   = ones * '0'
	zeros32 = zeros & math.MaxUint32
)

const (
	uintRoom   = 24 // bytes that putUint may write
	numberRoom = 40 // that the other functions here may write
)

// putUint writes n to p and returns how many bytes that took.
func putUint(p *[uintRoom]byte, n uint64) int {
	switch {
	case n < 10:
		p[0] = byte('0' + n)
		return 1
	case n < 100:
		binary.LittleEndian.PutUint16(p[:], pair(n))
		return 2
	case n < 1000:
		h := n / 100
		p[0] = byte('0' + h)
		binary.LittleEndian.PutUint16(p[1:], pair(n-h*100))
		return 3
	case n < 1e4:
		binary.LittleEndian.PutUint32(p[:], fourDigits(n))
		return 4
	case n < 1e8:
		d := eightDigits(n)
		lead := bits.TrailingZeros64(d) &^ 7
		binary.LittleEndian.PutUint64(p[:], (d|zeros)>>lead)
		return 8 - lead/8
	}
	high := n / 1e8
	size := putUint(p, high)
	binary.LittleEndian.PutUint64(p[size&15:], eightDigits(n-high*1e8)|zeros)
	return size + 8
}

// putInt writes n to p as putUint does.
func putInt(p *[numberRoom]byte, n int64) int {
	u, sign := uint64(n), int(uint64(n)>>63)
	p[0] = '-'
	if n < 0 {
		u = -u
	}
	return sign + putUint((*[uintRoom]byte)(p[sign:]), u)
}

// putDuration writes d to p in seconds, exactly, as a decimal number.
func putDuration(p *[numberRoom]byte, d time.Duration) int {
	n, size := uint64(d), int(uint64(d)>>63)
	p[0] = '-'
	if d < 0 {
		n = -n
	}
	whole := n / 1e9
	size += putUint((*[uintRoom]byte)(p[size:]), whole)
	frac := n - whole*1e9
	if frac == 0 {
		return size
	}
	// The point and nine digits, of which the zeros at the end are left out.
	q := (*[16]byte)(p[size&15:]) // a duration has ten digits before its point
	high := frac / 10
	eight, last := eightDigits(high), frac-high*10
	q[0] = '.'
	binary.LittleEndian.PutUint64(q[1:], eight|zeros)
	q[9] = byte('0' + last)
	if last != 0 {
		return size + 10
	}
	return size + 1 + (bits.Len64(eight)+7)/8
}

// putDecimal writes f to p if it is a decimal number of at most four places, and
// returns how many bytes that took, else 0. A quotient of two exact numbers is
// rounded correctly, so if n/10^k is f, the text of n/10^k reads back as f; and
// with at most 15 digits no shorter text does. The n is found by adding a half:
// where rounding to even would differ, n/10^k is not f.
func putDecimal(p *[numberRoom]byte, f float64) int {
	abs := math.Abs(f)
	if !(abs < 1e9 && abs >= 1e-3) {
		return 0
	}
	n := int64(abs*100 + 0.5)
	var whole uint64
	var frac uint32
	if float64(n)/100 == abs {
		whole = uint64(n) / 100
		frac = uint32(pair(uint64(n)-whole*100)) | '0'<<16 | '0'<<24
	} else if n = int64(abs*10000 + 0.5); float64(n)/10000 == abs {
		whole = uint64(n) / 10000
		frac = fourDigits(uint64(n) - whole*10000)
	} else {
		return 0
	}
	size := int(math.Float64bits(f) >> 63)
	p[0] = '-'
	size += putUint((*[uintRoom]byte)(p[size:]), whole)
	// The point and four digits, of which the zeros at the end are left out.
	q := (*[8]byte)(p[size&15:])
	q[0] = '.'
	binary.LittleEndian.PutUint32(q[1:], frac)
	places := (bits.Len32(frac^zeros32) + 7) / 8
	if places > 0 {
		places++
	}
	return size + places
}

// room returns b with room for a number, and that room.
func room(b []byte) ([]byte, *[numberRoom]byte) {
	b = reserve(b, numberRoom)
	return b, (*[numberRoom]byte)(b[len(b) : len(b)+numberRoom])
}

func appendUint(b []byte, n uint64) []byte {
	b, p := room(b)
	return b[:len(b)+putUint((*[uintRoom]byte)(p[:]), n)]
}

func appendInt(b []byte, n int64) []byte {
	b, p := room(b)
	return b[:len(b)+putInt(p, n)]
}

// appendDuration appends d in seconds.
func appendDuration(b []byte, d time.Duration) []byte {
	b, p := room(b)
	return b[:len(b)+putDuration(p, d)]
}

// reserve returns b with room for n more bytes.
func reserve(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = slices.Grow(b, n)
	}
	return b
}

// appendFloat appends f as encoding/json does; what JSON cannot hold becomes one
// of the strings "NaN", "+Inf" and "-Inf".
func appendFloat(b []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if !(abs <= math.MaxFloat64) {
		switch {
		case f > 0:
			return append(b, `"+Inf"`...)
		case f < 0:
			return append(b, `"-Inf"`...)
		}
		return append(b, `"NaN"`...)
	}
	if bits == 64 {
		b, p := room(b)
		if size := putDecimal(p, f); size > 0 {
			return b[:len(b)+size]
		}
	}
	format := byte('f')
	if abs != 0 && (bits == 64 && (abs < 1e-6 || abs >= 1e21) ||
		bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, bits)
	if n := len(b); format == 'e' && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is e-9
		b = b[:n-1]
	}
	return b
}

// appendComplex appends c as a JSON string such as "1+2i".
func appendComplex(b []byte, c complex128, bits int) []byte {
	b = append(b, '"')
	b = strconv.AppendFloat(b, real(c), 'f', -1, bits)
	if i := imag(c); i >= 0 && !math.IsInf(i, 1) && !math.Signbit(i) {
		b = append(b, '+')
	}
	b = strconv.AppendFloat(b, imag(c), 'f', -1, bits)
	return append(b, 'i', '"')
}
