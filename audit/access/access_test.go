package access_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
)

// book keeps what was recorded.
type book struct {
	mu  sync.Mutex
	all []access.Record
}

func (b *book) add(r access.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, r)
}

func (b *book) last(t *testing.T) access.Record {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.all)
	return b.all[len(b.all)-1]
}

// serve handles one request and returns its record.
func serve(t *testing.T, o *access.Options, req *http.Request, h http.HandlerFunc) (access.Record, *httptest.ResponseRecorder) {
	t.Helper()
	var b book
	w := httptest.NewRecorder()
	access.New(b.add, o).Middleware(h).ServeHTTP(w, req)
	require.Len(t, b.all, 1)
	return b.all[0], w
}

func TestMiddleware(t *testing.T) {
	req := httptest.NewRequest("POST", "http://shop.example/a/b?token=secret&q=1", nil)
	req.RemoteAddr = "192.0.2.1:99"
	req.Header.Set("User-Agent", "curl/8")
	req.Header.Set("Referer", "http://r.example/")
	req.Header.Set("X-Request-Id", "req-1")
	rec, w := serve(t, nil, req, func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/changed"
		access.SetAccount(r.Context(), "ada", "ACME")
		access.SetMemo(r.Context(), "memo")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "12345")
		_, _ = w.Write([]byte("67"))
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("89"))
		require.NoError(t, http.NewResponseController(w).Flush())
	})
	require.Equal(t, "123456789", w.Body.String())
	require.Positive(t, rec.Time)
	rec.Time, rec.Duration = time.Time{}, 0
	require.Equal(t, access.Record{
		IP: netip.MustParseAddr("192.0.2.1"), Peer: netip.MustParseAddr("192.0.2.1"), IPFrom: "peer",
		Account: "ada", Tenant: "ACME", Memo: "memo", Method: "POST", Path: "/a/b", Host: "shop.example", Protocol: "HTTP/1.1",
		Status: 201, Bytes: 9, UserAgent: "curl/8", Referrer: "http://r.example/", RequestID: "req-1",
	}, rec)

	rec, _ = serve(t, &access.Options{Query: true}, req.Clone(t.Context()), func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, "token=***&q=1", rec.Query)
	require.Equal(t, 200, rec.Status)
}

func TestSecretsInURLs(t *testing.T) {
	serveURL := func(query, referrer string) access.Record {
		req := httptest.NewRequest("GET", "/a?"+query, nil)
		req.Header.Set("Referer", referrer)
		rec, _ := serve(t, &access.Options{Query: true, MaskKeys: []string{"iban"}}, req, func(http.ResponseWriter, *http.Request) {})
		return rec
	}
	for query, want := range map[string]string{
		"a=1&token=hidden&b=2": "a=1&token=***&b=2",
		"token=hid;den&b=2":    "token=***&b=2",
		"a=1;token=hidden":     "a=1;token=***",
		"t%6Fken=hidden":       "t%6Fken=***",
		"user[iban]=hidden":    "user[iban]=***",
		"a=1&&b":               "a=1&b",
		"page=https://a?x=1":   "page=https://a?x=1",
	} {
		rec := serveURL(query, "https://shop.example/a?"+query)
		require.Equal(t, want, rec.Query)
		require.Equal(t, "https://shop.example/a?"+want, rec.Referrer)
	}
	require.Equal(t, "https://shop.example/token=a", serveURL("", "https://shop.example/token=a").Referrer)
}

func TestInformational(t *testing.T) {
	var b book
	server := httptest.NewServer(access.New(b.add, nil).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK) // too late
	})))
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	server.Close()
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, http.StatusTeapot, b.last(t).Status)
}

// TestNoStatus: a status that is none was not sent, and is not recorded.
func TestNoStatus(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 1000} {
		var b book
		h := access.New(b.add, nil).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		require.Panics(t, func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) })
		require.True(t, b.last(t).Panic)
		require.Equal(t, http.StatusInternalServerError, b.last(t).Status)
	}
}

type panics struct{}

func (panics) Attribute(netip.Addr) access.Attribution { panic("no such network") }

func TestHooksThatPanic(t *testing.T) {
	var b book
	recorder := access.New(b.add, &access.Options{
		Attributor: panics{}, Attributes: func(*http.Request) map[string]string { panic("no such header") },
		Clock: func() time.Time { panic("no time") },
	})
	began := time.Now()
	answer := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "/path", nil)
	req.RemoteAddr = "203.0.113.7:80"
	recorder.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(answer, req)
	require.Equal(t, http.StatusTeapot, answer.Code)
	require.Equal(t, http.StatusTeapot, b.last(t).Status)
	require.False(t, b.last(t).Panic)
	require.False(t, b.last(t).Time.Before(began))
	recorder.Record(access.Record{Path: "/other", IP: netip.MustParseAddr("203.0.113.7")})
	require.Equal(t, "/other", b.last(t).Path)
}

func TestAnswersThatAreNotSent(t *testing.T) {
	var b book
	server := httptest.NewServer(access.New(b.add, nil).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a body")
	})))
	resp, err := server.Client().Head(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	server.Close()
	require.Zero(t, b.last(t).Bytes)

	// A writer that cannot flush has sent no status.
	w := struct{ http.ResponseWriter }{httptest.NewRecorder()}
	access.New(b.add, nil).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		w.WriteHeader(http.StatusInternalServerError)
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusInternalServerError, b.last(t).Status)
}

func TestEnds(t *testing.T) {
	var b book
	h := func(f http.HandlerFunc) http.Handler { return access.New(b.add, nil).Middleware(f) }
	require.PanicsWithValue(t, "boom", func() {
		h(func(http.ResponseWriter, *http.Request) { panic("boom") }).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
	require.True(t, b.last(t).Panic)
	require.Equal(t, 500, b.last(t).Status)
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
		h(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); panic(http.ErrAbortHandler) }).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
	require.True(t, b.last(t).Aborted)
	require.False(t, b.last(t).Panic)
	require.Equal(t, 206, b.last(t).Status)

	ctx, cancel := context.WithCancel(t.Context())
	h(func(http.ResponseWriter, *http.Request) { cancel() }).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	require.True(t, b.last(t).Aborted)

	server := httptest.NewServer(h(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\n\r\nraw")
		_ = rw.Flush()
		_ = conn.Close()
	}))
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "101")
	require.NoError(t, conn.Close())
	server.Close()
	require.Eventually(t, func() bool { return b.last(t).Hijacked }, 30*time.Second, time.Millisecond)
	require.Equal(t, 101, b.last(t).Status)
}

// lan attributes every address alike.
type lan struct{}

func (lan) Attribute(netip.Addr) access.Attribution { return access.Attribution{Country: "CH"} }

// What the host records by itself is attributed, unless it says where it came from.
func TestOriginOfRecords(t *testing.T) {
	var b book
	r := access.New(b.add, &access.Options{Attributor: lan{}})
	r.Record(access.Record{IP: netip.MustParseAddr("198.51.100.1")})
	require.Equal(t, "CH", b.last(t).Origin.Country)
	r.Record(access.Record{IP: netip.MustParseAddr("198.51.100.1"), Origin: access.Attribution{City: "Oslo"}})
	require.Equal(t, access.Attribution{City: "Oslo"}, b.last(t).Origin)
}

func TestOriginOfAuditRecords(t *testing.T) {
	dir := t.TempDir()
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	req := httptest.NewRequest("GET", "/", nil)
	req.RemoteAddr = "[2001:db8::7]:1"
	req.Header.Set("X-Request-Id", "r-7")
	serve(t, nil, req, func(_ http.ResponseWriter, req *http.Request) {
		_, err := r.Record(context.WithoutCancel(req.Context()), audit.Entry{Event: audit.UserLoggedIn})
		require.NoError(t, err)
	})
	require.NoError(t, r.Close())
	p, err := audit.OpenProver(dir)
	require.NoError(t, err)
	defer p.Close()
	for line, err := range p.Lines(1) {
		require.NoError(t, err)
		rec, err := audit.ParseRecord(line)
		require.NoError(t, err)
		require.Equal(t, []string{"2001:db8::7", "peer", "r-7"}, []string{rec.IP, rec.IPFrom, rec.Request})
	}
}

func TestForwarded(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	long := strings.Repeat("10.0.0.9, ", 30) + "10.0.0.8"
	for _, c := range []struct {
		name, header, peer string
		lines              []string
		ip, from           string
	}{
		{"not asked for", "", "10.0.0.1:1", []string{"198.51.100.1"}, "10.0.0.1", "peer"},
		{"from anybody", "X-Forwarded-For", "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1", "peer"},
		{"no header", "X-Forwarded-For", "10.0.0.1:1", nil, "10.0.0.1", "peer"},
		{"one proxy", "x-forwarded-for", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1", "forwarded"},
		{"forged in front", "X-Forwarded-For", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1", "forwarded"},
		{"two proxies", "X-Forwarded-For", "10.0.0.1:1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1", "forwarded"},
		{"two lines", "X-Forwarded-For", "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1,10.0.0.2"}, "198.51.100.1", "forwarded"},
		{"only proxies", "X-Forwarded-For", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", "forwarded"},
		{"garbage behind a proxy", "X-Forwarded-For", "10.0.0.1:1", []string{"evil, 10.0.0.2"}, "10.0.0.2", "malformed"},
		{"garbage", "X-Forwarded-For", "10.0.0.1:1", []string{"<script>"}, "10.0.0.1", "malformed"},
		{"empty", "X-Forwarded-For", "10.0.0.1:1", []string{""}, "10.0.0.1", "malformed"},
		{"mapped, with port", "X-Forwarded-For", "10.0.0.1:1", []string{"[::ffff:198.51.100.1]:80"}, "198.51.100.1", "forwarded"},
		{"zone", "X-Forwarded-For", "10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1", "forwarded"},
		{"too many", "X-Forwarded-For", "10.0.0.1:1", []string{long}, "10.0.0.9", "forwarded"},
		{"rfc 7239", "Forwarded", "[2001:db8:1::1]:1", []string{`for=1.1.1.1;proto=http, For="[2001:db8:2::7]:4711";by=x`}, "2001:db8:2::7", "forwarded"},
		{"rfc 7239 without a port", "Forwarded", "10.0.0.1:1", []string{`for="[2001:db8:2::7]"`}, "2001:db8:2::7", "forwarded"},
		{"rfc 7239 hidden", "Forwarded", "10.0.0.1:1", []string{`for=_hidden`}, "10.0.0.1", "malformed"},
		{"rfc 7239 forged in quotes", "Forwarded", "10.0.0.1:1", []string{`for=198.51.100.1;host="a;for=1.1.1.1";proto=http`}, "198.51.100.1", "forwarded"},
		{"rfc 7239 forged before", "Forwarded", "10.0.0.1:1", []string{`host="a;for=1.1.1.1;b";for=198.51.100.1`}, "198.51.100.1", "forwarded"},
		{"rfc 7239 forged behind an escaped quote", "Forwarded", "10.0.0.1:1", []string{`for=198.51.100.1;host="a\";for=1.1.1.1;b"`}, "198.51.100.1", "forwarded"},
		{"rfc 7239 comma behind an escaped quote", "Forwarded", "10.0.0.1:1", []string{`for=198.51.100.1;host="a\", for=1.1.1.1;b"`}, "198.51.100.1", "forwarded"},
		{"rfc 7239 quote opened in front", "Forwarded", "10.0.0.1:1", []string{`host="a`, `for="1.1.1.1, for=198.51.100.1`}, "198.51.100.1", "forwarded"},
		{"rfc 7239 twice", "Forwarded", "10.0.0.1:1", []string{`for=198.51.100.1;for=1.1.1.1`}, "10.0.0.1", "malformed"},
		{"rfc 7239 without for", "Forwarded", "10.0.0.1:1", []string{`proto=http`}, "10.0.0.1", "malformed"},
		{"one address", "CF-Connecting-IP", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1", "forwarded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest("GET", "/", nil)
			req.RemoteAddr = c.peer
			for _, line := range c.lines {
				req.Header.Add(cmp(c.header), line)
			}
			rec, _ := serve(t, &access.Options{ForwardedHeader: c.header, TrustedProxies: trusted}, req, func(http.ResponseWriter, *http.Request) {})
			require.Equal(t, c.ip, rec.IP.String())
			require.Equal(t, c.from, rec.IPFrom)
			require.Equal(t, netip.MustParseAddrPort(c.peer).Addr(), rec.Peer)
		})
	}
}

// cmp is the header to set when none is believed.
func cmp(header string) string {
	if header == "" {
		return "X-Forwarded-For"
	}
	return header
}

func FuzzForwarded(f *testing.F) {
	f.Add("for=\"[::1]\";by=x, for=10.0.0.1", true)
	f.Add("10.0.0.1,,\",\",1.2.3.4:5", false)
	f.Fuzz(func(t *testing.T, value string, rfc bool) {
		header := "X-Forwarded-For"
		if rfc {
			header = "Forwarded"
		}
		req := httptest.NewRequest("GET", "/", nil)
		req.RemoteAddr = "10.0.0.1:1"
		req.Header[header] = []string{value}
		rec, _ := serve(t, &access.Options{ForwardedHeader: header, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, req,
			func(http.ResponseWriter, *http.Request) {})
		require.True(t, rec.IP.IsValid())
		require.False(t, rec.IP.Is4In6())
		require.Empty(t, rec.IP.Zone())
		require.Contains(t, []string{"peer", "forwarded", "malformed"}, rec.IPFrom)
	})
}

// A network of IPv4 may be named as IPv6 has it.
func TestProxiesNamedAsIPv6(t *testing.T) {
	for network, want := range map[string]string{
		"::ffff:10.0.0.0/104": "203.0.113.7",
		"::ffff:10.0.0.1/128": "203.0.113.7",
		"::ffff:0.0.0.0/96":   "198.51.100.1",
		"::ffff:10.1.0.0/112": "10.0.0.1",
		"::/0":                "10.0.0.1",
	} {
		req := httptest.NewRequest("GET", "/", nil)
		req.RemoteAddr = "10.0.0.1:80"
		req.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.7")
		rec, _ := serve(t, &access.Options{ForwardedHeader: "X-Forwarded-For", TrustedProxies: []netip.Prefix{netip.MustParsePrefix(network)}}, req,
			func(http.ResponseWriter, *http.Request) {})
		require.Equal(t, want, rec.IP.String(), network)
	}
}

func TestLAN(t *testing.T) {
	for addr, network := range map[string]string{"10.1.2.3:1": "LAN", "[::1]:1": "LAN", "[fd00::1]:1": "LAN", "169.254.1.1:1": "LAN", "198.51.100.1:1": "", "bogus": ""} {
		req := httptest.NewRequest("GET", "/", nil)
		req.RemoteAddr = addr
		rec, _ := serve(t, nil, req, func(http.ResponseWriter, *http.Request) {})
		require.Equal(t, network, rec.Origin.Network, addr)
	}
}

func TestLongTexts(t *testing.T) {
	req := httptest.NewRequest("GET", "/"+strings.Repeat("p", 9000), nil)
	req.Header.Set("User-Agent", strings.Repeat("é", 2000))
	rec, _ := serve(t, nil, req, func(_ http.ResponseWriter, r *http.Request) {
		access.SetMemo(r.Context(), strings.Repeat("m", 1<<20))
		access.SetAccount(r.Context(), strings.Repeat("a", 1025), strings.Repeat("t", 1024))
	})
	require.Len(t, rec.Account, 1024)
	require.Len(t, rec.Tenant, 1024)
	require.Len(t, rec.Path, 4096)
	require.Len(t, rec.UserAgent, 1024)
	require.Len(t, rec.Memo, 4096)
	access.SetAccount(t.Context(), "nobody", "") // outside of a request it does nothing
}

// some are records to export.
func some(fail error) iter.Seq2[access.Record, error] {
	return func(yield func(access.Record, error) bool) {
		at := time.Date(2026, 11, 21, 8, 9, 10, 11e6, time.UTC)
		ok := yield(access.Record{Time: at, IP: netip.MustParseAddr("203.0.113.7"), Account: "ada b", Method: "GET", Path: "/a\"b\n", Query: "q=1",
			Protocol: "HTTP/1.1", Status: 200, Bytes: 5, Duration: 1500 * time.Microsecond, UserAgent: `M "x" \ é`, Host: "h"}, nil) &&
			yield(access.Record{Time: at, Method: "GET", Path: "/", Protocol: "HTTP/2.0", Status: 304}, nil)
		if ok && fail != nil {
			yield(access.Record{}, fail)
		}
	}
}

func TestNCSA(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, access.NCSA(&b, some(nil)))
	require.Equal(t, `203.0.113.7 - ada\x20b [21/Nov/2026:08:09:10 +0000] "GET /a\"b\x0a?q=1 HTTP/1.1" 200 5 "-" "M \"x\" \\ \xc3\xa9"`+"\n"+
		`- - - [21/Nov/2026:08:09:10 +0000] "GET / HTTP/2.0" 304 - "-" "-"`+"\n", b.String())
	b.Reset()
	require.NoError(t, access.NCSA(&b, func(yield func(access.Record, error) bool) {
		yield(access.Record{Time: time.Unix(0, 0), Method: "GET", Path: "/a HTTP/1.0", Protocol: "HTTP/1.1", Status: 200}, nil)
	}))
	require.Contains(t, b.String(), `"GET /a\x20HTTP/1.0 HTTP/1.1" 200`)
	broken := errors.New("broken")
	require.ErrorIs(t, access.NCSA(io.Discard, some(broken)), broken)
}

func TestW3C(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, access.W3C(&b, some(nil)))
	require.Equal(t, `#Version: 1.0
#Start-Date: 2026-11-21 08:09:10
#Fields: date time c-ip cs-username cs-method cs-uri-stem cs-uri-query cs-version sc-status sc-bytes time-taken cs-host cs(User-Agent) cs(Referer) x-tenant x-request-id
2026-11-21 08:09:10.011 203.0.113.7 ada+b GET /a"b q=1 HTTP/1.1 200 5 0.001500 h M+"x"+\+é - - -
2026-11-21 08:09:10.011 - - GET / - HTTP/2.0 304 0 0.000000 - - - - -
`, b.String())
	b.Reset()
	require.NoError(t, access.W3C(&b, func(func(access.Record, error) bool) {}))
	require.True(t, strings.HasPrefix(b.String(), "#Version: 1.0\n#Fields: date time "))
	for line := range strings.Lines(b.String()) {
		require.True(t, strings.HasPrefix(line, "#"))
	}
}

// TestW3CStrings: who asks cannot begin a string, in which the requests after theirs
// would be hidden from those who read the standard's strings.
func TestW3CStrings(t *testing.T) {
	agents := []string{`"`, `"a" b`, `""`, "\x00\"c", " \"d", `e"f"`}
	var b bytes.Buffer
	require.NoError(t, access.W3C(&b, func(yield func(access.Record, error) bool) {
		for _, agent := range agents {
			if !yield(access.Record{Path: "/", UserAgent: agent}, nil) {
				return
			}
		}
	}))
	r := csv.NewReader(&b)
	r.Comma, r.Comment, r.LazyQuotes = ' ', '#', true
	rows, err := r.ReadAll()
	require.NoError(t, err)
	var got []string
	for _, row := range rows {
		require.Len(t, row, 16)
		got = append(got, row[12])
	}
	require.Equal(t, []string{"%22", `%22a"+b`, `%22"`, "%22c", `+"d`, `e"f"`}, got)
}

// TestW3CBlanks: a line has as many words as its header has fields, and is one line,
// whatever a reader takes for a blank or for an end.
func TestW3CBlanks(t *testing.T) {
	var b bytes.Buffer
	agent := "a\u00a0b\u2003c\u3000d\u2028e\u0085f\u2029g\u009bh\vi"
	require.NoError(t, access.W3C(&b, func(yield func(access.Record, error) bool) {
		yield(access.Record{Path: "/", UserAgent: agent}, nil)
	}))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	words := strings.Fields(lines[len(lines)-1])
	require.Len(t, words, 16)
	require.Equal(t, "a+b+c+d+e+f+ghi", words[12])
}

func TestParse(t *testing.T) {
	for _, wrong := range []string{"", "{", `{"kind":"line"}`, `{"kind":"access","details":{"status":"x"}}`} {
		_, err := access.Parse([]byte(wrong))
		require.ErrorIs(t, err, access.ErrRecord)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	req := httptest.NewRequest("GET", "/a/b", nil)
	req.Header.Set("User-Agent", "curl/8")
	for name, h := range map[string]http.Handler{"bare": next, "recorded": access.New(func(access.Record) {}, nil).Middleware(next)} {
		b.Run(name, func(b *testing.B) {
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, req)
			}
		})
	}
}
