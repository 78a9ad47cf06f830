package line

import (
	"math"
	"math/bits"
	"strconv"
	"time"
)

const pairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

func appendUint(b []byte, n uint64) []byte {
	if n < 10 {
		return append(b, byte('0'+n))
	}
	if n < 100 {
		return append(b, pairs[n*2], pairs[n*2+1])
	}
	if n < 10000 {
		h := n / 100
		l := n - h*100
		if n < 1000 {
			return append(b, byte('0'+h), pairs[l*2], pairs[l*2+1])
		}
		return append(b, pairs[h*2], pairs[h*2+1], pairs[l*2], pairs[l*2+1])
	}
	size := digitCount(n)
	b = append(b, "00000000000000000000"[:size]...)
	i := len(b)
	for n >= 100 {
		q := n / 100
		p := (n - q*100) * 2
		i -= 2
		b[i], b[i+1] = pairs[p], pairs[p+1]
		n = q
	}
	if n >= 10 {
		b[i-2], b[i-1] = pairs[n*2], pairs[n*2+1]
	} else {
		b[i-1] = byte('0' + n)
	}
	return b
}

// digitCount returns how many decimal digits n has, n being above 0. A number of
// k bits has k*log10(2) digits or one more.
func digitCount(n uint64) int {
	k := bits.Len64(n) * 1233 >> 12
	if n >= powers[k] {
		k++
	}
	return k
}

var powers = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendUint(append(b, '-'), uint64(-n))
	}
	return appendUint(b, uint64(n))
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
	if bits == 64 && abs < 1e9 && abs >= 1e-3 {
		if out, ok := appendDecimal(b, f); ok {
			return out
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

// appendDecimal appends f if it is a decimal number of at most four places. A
// quotient of two exact numbers is rounded correctly, so if n/10^k is f, the text
// of n/10^k reads back as f; and with at most 15 digits no shorter text does.
func appendDecimal(b []byte, f float64) ([]byte, bool) {
	n := math.RoundToEven(f * 100)
	short := n/100 == f // two places are enough
	if !short {
		n = math.RoundToEven(f * 10000)
		if n/10000 != f {
			return b, false
		}
	}
	i := int64(n)
	if i < 0 {
		b = append(b, '-')
		i = -i
	}
	if short {
		i *= 100
	}
	whole := uint64(i) / 10000
	frac := uint64(i) - whole*10000
	b = appendUint(b, whole)
	if frac == 0 {
		return b, true
	}
	h, l := frac/100, frac%100
	b = append(b, '.', pairs[h*2], pairs[h*2+1], pairs[l*2], pairs[l*2+1])
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b, true
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

// appendDuration appends d in seconds, exactly, as a decimal number.
func appendDuration(b []byte, d time.Duration) []byte {
	n := uint64(d)
	if d < 0 {
		b = append(b, '-')
		n = -n
	}
	whole := n / 1e9
	b = appendUint(b, whole)
	frac := n - whole*1e9
	if frac == 0 {
		return b
	}
	b = append(b, ".000000000"...)
	put9(b[len(b)-9:], frac)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// put9 writes n, below 10^9, as nine digits.
func put9(p []byte, n uint64) {
	high := n / 10000 // five digits
	low := n - high*10000
	_ = p[8]
	p[0] = byte('0' + high/10000)
	high %= 10000
	put2(p[1:3], high/100)
	put2(p[3:5], high%100)
	put2(p[5:7], low/100)
	put2(p[7:9], low%100)
}
