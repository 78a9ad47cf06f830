package line_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/line"
)

// identified are lines whose identifiers repeat, stand apart, stand twice, or
// stand where a text looks like them.
func identified() []string {
	lines := []string{
		`{"seq":1,"server":"a","run":"r1","message":"m","details":{"x":1}}`,
		`{"seq":2,"server":"a","run":"r1","message":"n"}`,
		`{"seq":3,"server":"a","run":"r1","message":"n","run":"r2"}`,
		`{"seq":4,"server":"a","run":"r1","label":"l","message":"n"}`,
		`{"run":"r3","seq":5,"server":"a","run":"r1","message":"n"}`,
		`{"seq":6,"server":"a","message":"n","run":"r1"}`,
		`{"seq":7,"server":"a","message":"n"}`,
		`{"seq":8,"server":"a","details":{"run":"r9","message":"n"},"run":"r4"}`,
		`{"seq":9,"server":"a","details":{"run":"r9","message":"n"}}`,
		`{"seq":10, "server":"a" ,"run":"r1","message":"n"}`,
		`{"seq":11,"server":"a","run":5,"message":"n"}`,
		`{"seq":12,"server":"a","run":"r\u0031","message":"n"}`,
		`{"seq":13,"server":"a","run":"r1","message":"n"`,
		`{"seq":14,"server":"a","run":"r1","message":}`,
		`{"seq":15,"server":"a","run":"r1","attempt":2,"message":"n"}`,
		`{"server":"a","run":"r1","message":"n"}`,
		`{"seq":16,"message":"no one"}`,
		`{"seq":17,"server":"a,\"message\":","run":"r1","message":"n"}`,
		`x`, ``, `{}`,
	}
	for i := range 60 {
		lines = append(lines, fmt.Sprintf(`{"seq":%d,"server":"a","run":"r%d","step":"s%d","message":"m%d"}`, 20+i, i%3, i%5, i))
	}
	return lines
}

// What a Parser makes of lines, in whatever order, is what Parse makes of each.
func TestParser(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	lines := identified()
	for n := range 50 {
		p := line.Parser{Many: n%2 == 0}
		var got line.Record
		numbers := map[int]line.Identity{}
		for range 200 {
			raw := []byte(lines[rnd.IntN(len(lines))])
			var want line.Record
			wantErr := line.Parse(raw, &want)
			require.Equal(t, wantErr, p.Parse(raw, &got), "%s", raw)
			require.Equal(t, want, got, "%s", raw)
			if n, forgot, ok := p.Same(); ok {
				require.Zero(t, forgot)
				if id, known := numbers[n]; known {
					require.Equal(t, id, got.Identity)
				}
				numbers[n] = got.Identity
			}
		}
	}
}

// A Parser forgets when it has met too many.
func TestParserForgets(t *testing.T) {
	p := line.Parser{Many: true}
	var r line.Record
	for i := range 20_000 {
		for range 2 {
			require.NoError(t, p.Parse(fmt.Appendf(nil, `{"seq":1,"run":"r%d","message":"m"}`, i), &r))
			require.Equal(t, fmt.Sprint("r", i), r.Run)
			n, forgot, ok := p.Same()
			require.True(t, ok)
			require.Equal(t, i, forgot*8192+n)
		}
	}
}

// Whatever the lines are, a Parser agrees with Parse.
func FuzzParser(f *testing.F) {
	for i, l := range identified() {
		f.Add(l, identified()[(i+1)%len(identified())])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, many := range []bool{false, true} {
			p := line.Parser{Many: many}
			var got line.Record
			for _, raw := range []string{first, second, first, second} {
				var want line.Record
				require.Equal(t, line.Parse([]byte(raw), &want), p.Parse([]byte(raw), &got))
				require.Equal(t, want, got)
			}
		}
	})
}
