package line

import (
	"math"
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
	var t [20]byte
	i := len(t)
	for n >= 100 {
		q := n / 100
		p := (n - q*100) * 2
		i -= 2
		t[i], t[i+1] = pairs[p], pairs[p+1]
		n = q
	}
	if n >= 10 {
		i -= 2
		t[i], t[i+1] = pairs[n*2], pairs[n*2+1]
	} else {
		i--
		t[i] = byte('0' + n)
	}
	return append(b, t[i:]...)
}

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
	return strconv.AppendFloat(b, f, format, -1, bits)
}

// appendDecimal appends f if it is a decimal number of at most four places. A
// quotient of two exact numbers is rounded correctly, so if n/10^k is f, the text
// of n/10^k reads back as f; and with at most 15 digits no shorter text does.
func appendDecimal(b []byte, f float64) ([]byte, bool) {
	n, scale := math.RoundToEven(f*100), int64(100)
	if n/100 != f {
		n, scale = math.RoundToEven(f*10000), 10000
		if n/10000 != f {
			return b, false
		}
	}
	i := int64(n)
	if i < 0 {
		b = append(b, '-')
		i = -i
	}
	whole, frac := i/scale, i%scale
	b = appendUint(b, uint64(whole))
	if frac == 0 {
		return b, true
	}
	b = append(b, '.')
	for scale /= 10; frac > 0; scale /= 10 {
		b = append(b, byte('0'+frac/scale))
		frac %= scale
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
	b = appendUint(b, n/1e9)
	frac := n % 1e9
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for scale := uint64(1e8); frac > 0; scale /= 10 {
		b = append(b, byte('0'+frac/scale))
		frac %= scale
	}
	return b
}
