package line_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

// lentPaths are looked for in the details of lines.
var lentPaths = []string{"x", "sku", "a", "a.b", "n", "run", "a.b.c"} // immutable

// sameFields says that a Parser that lends texts and finds fields agrees with Parse
// and Field. want is what Parse makes of the line, with its error.
func sameFields(t *testing.T, p *line.Parser, raw []byte, want *line.Record, wantErr error) {
	var got line.Record
	require.Equal(t, wantErr, p.Parse(raw, &got), "%s", raw)
	require.Equal(t, *want, got, "%s", raw)
	for n, path := range p.Paths {
		var found, wanted []string
		p.Field(n, func(s string) bool { found = append(found, s); return true })
		line.Field(want.Details, path, func(s string) bool { wanted = append(wanted, s); return true })
		require.Equal(t, wanted, found, "%s of %s", path, raw)
	}
}

// What a Parser makes of lines, in whatever order, is what Parse makes of each.
func TestParser(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	lines := written()
	for n := range 50 {
		p := line.Parser{Many: n%2 == 0}
		lent := line.Parser{Many: n%2 == 0, Lend: n%3 > 0, Paths: lentPaths}
		var got line.Record
		numbers := map[int]line.Identity{}
		for range 200 {
			raw := []byte(lines[rnd.IntN(len(lines))])
			var want line.Record
			wantErr := line.Parse(raw, &want)
			require.Equal(t, wantErr, p.Parse(raw, &got), "%s", raw)
			require.Equal(t, want, got, "%s", raw)
			sameFields(t, &lent, raw, &want, wantErr)
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
// A parser knows the day, the level and the kind of the line before: it reads them as
// Parse does, whatever they are.
func TestParserBeginnings(t *testing.T) {
	days := []string{"2026-11-01", "2026-11-02", "1969-12-31", "0000-01-01", "2026-02-30", "2026-11-0x", strings.Repeat("\x00", 10)}
	times := []string{"T00:00:00.000000001Z", "T23:59:59.999999999Z", "T24:00:00.000000000Z", "T10:00:00.000+00:00", "t00:00:00.000000001Z"}
	levels := []string{`"info","kind":"line"`, `"debug","kind":"line"`, `"info","kind":"run"`, `"loud","kind":"line"`, `"info" ,"kind":"line"`}
	rnd := rand.New(rand.NewPCG(5, 5))
	any := func(list []string) string { return list[rnd.IntN(len(list))] }
	for _, p := range []*line.Parser{{}, {Many: true}, {Many: true, Lend: true, Paths: []string{"x"}}} {
		for n := range 3000 {
			raw := fmt.Appendf(nil, `{"seq":%d,"timestamp":"%s%s","level":%s,"server":"a","message":"%s","details":{"x":1}}`,
				n, any(days), any(times), any(levels), strings.Repeat("m", 60))
			var want, got line.Record
			wantErr, err := line.Parse(raw, &want), p.Parse(raw, &got)
			require.Equal(t, wantErr, err, "%q", raw)
			require.Equal(t, want, got, "%q", raw)
		}
	}
}

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

// sameInOutline says that a record is outlined as it is read as a whole.
func sameInOutline(t *testing.T, p *line.Parser, raw []byte) {
	var whole line.Record
	var want, got line.Outline
	require.NoError(t, line.Parse(raw, &whole))
	whole.Outline(raw, &want)
	require.NoError(t, p.Outline(raw, &got), "%s", raw)
	require.Equal(t, want, got, "%s", raw)
	part := func(s line.Span) []byte { return raw[s.From:s.To] }
	require.Equal(t, string(whole.Error), string(part(got.Error)))
	require.Equal(t, string(whole.Details), string(part(got.Details)))
}

// written are lines that begin as lines are written, and go on in every way.
func written() []string {
	lines := identified()
	const head = `{"seq":12,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"warn","kind":"line",`
	for _, ids := range []string{`"server":"s","service":"v","run":"r1","attempt":2`, `"run":"r2"`, `"run":"r\u0032"`, `"project":"p","run":"r2"`, `"action":"a","run":"r3"`, `"run":"größe"`, "\"run\":\"\xff\"", `"attempt":1`, `"run":"r4","attempt":99999999999999999999`, `"step":"s","step":"t"`, `"x":1`} {
		for _, rest := range []string{
			`"message":"all is well"}`, `"message":"all is well","details":{"sku":"A-1","order_id":"7"}}`, `"message":"","details":{}}`,
			`"message":"a \"quoted\" word","details":{"n":1}}`, `"message":"größe","details":{"a":{"b":"}"}}}`, `"message":"ends in }","details":{"a":"}}"}}`,
			`"message":"m","details":{"a":1},"message":"another","label":"l"}`, `"message":"m","details":{"a":1} }`, `"message":"m", "details":{}}`,
			`"message":"m","error":{"message":"e","code":"c"},"stack":"at","truncated":true,"details":{"run":"no"}}`,
			`"message":"m","run":"another","details":{"a":[1,{"b":2}]}}`, `"topic":"security","message":"m","details":{"a":"b"}}`,
			`"message":"m","error":{"message":"e","chain":["a"],"code":"c"}}`, `"message":"m","error":"text","details":{}}`, `"message":"m","error":{"message":7}}`,
			`"message":"m","error":{"code":"c"},"error":{"message":"e"}}`, `"message":"m","error":{"message":"e"},"error":"none"}`, `"message":"m","error":{}}`,
			`"phase":"end","id":7,"started":"2026-11-21T02:03:04Z","outcome":"failed","levels":{"info":2},"implied":true,"message":"m"}`,
			`"topic":"t","trace":"t","span":"s","logger":"l","caller":"c","label":"l\u0061","phase":"input","message":"m","stack":"at\nb","truncated":false}`,
			`"attempt":3,"message":"m"}`, `"attempt":"x","message":"m"}`, `"seq":13,"message":"m"}`, `"mess\u0061ge":"m"}`, `"message":"m","details":{"a":1},"details":{"b":2}}`,
			`"message":"m","details":{"a":1},"details":5}`, `"message":"m","truncated":1}`, `"message":"m"}  `, `"message": "m"}`, `"label":null,"message":"m"}`,
			`"message":"` + strings.Repeat("long ", 300) + `","details":{"a":"b"}}`, `"message":7,"details":"none"}`,
		} {
			lines = append(lines, head+ids+","+rest)
		}
	}
	lines = append(lines, head[:len(head)-1]+"}", strings.Replace(lines[len(lines)-1], `"seq":12`, `"seq":18446744073709551615`, 1))
	return lines
}

// What Outline makes of lines, in whatever order and between others, is what Parse
// makes of each.
func TestOutline(t *testing.T) {
	lines := written()
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 50 {
		p := line.Parser{Many: n%2 == 0}
		var got line.Record
		for range 200 {
			raw := []byte(lines[rnd.IntN(len(lines))])
			if line.Parse(raw, &got) != nil {
				continue
			}
			if rnd.IntN(4) == 0 {
				require.NoError(t, p.Parse(raw, &got))
			}
			sameInOutline(t, &p, raw)
		}
	}
}

// Whatever the lines are, a Parser agrees with Parse.
func FuzzParser(f *testing.F) {
	lines := written()
	for i, l := range lines {
		f.Add(l, lines[(i*7+1)%len(lines)])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, many := range []bool{false, true} {
			p := line.Parser{Many: many}
			lent := line.Parser{Many: many, Lend: true, Paths: lentPaths}
			var got line.Record
			for _, raw := range []string{first, second, first, second} {
				var want line.Record
				require.Equal(t, line.Parse([]byte(raw), &want), p.Parse([]byte(raw), &got))
				require.Equal(t, want, got)
				sameFields(t, &lent, []byte(raw), &want, line.Parse([]byte(raw), &want))
				if line.Parse([]byte(raw), &want) == nil {
					sameInOutline(t, &p, []byte(raw))
				}
			}
		}
	})
}
