package mask_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/mask"
)

func TestKey(t *testing.T) {
	m := mask.New([]string{"Kunden-Nr.", "pw", "pass", "x", "Schlüssel", "pin2"})
	for _, name := range []string{
		"password", "Password", "PASSWORD", "pass-word", "pass_word", "p.a s-s_w:o/rd", "db_password", "dbPassword", "dbpassword", "password1", "password10", "token_2",
		"passwd", "pwd", "db_pwd", "dbPwd", "DB_PWD", "secret", "clientSecret", "client_secret", "token", "mytoken", "access_token", "refreshToken", "id_token",
		"X-Auth-Token", "api_key", "apikey", "X-Api-Key", "Authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "private_key",
		"userPWD", "userX", "DBPw", "DBPass", "DBPwd", "SMTPPwd", "mainDBPwd2", "HTTPJwt", "Pwd", "passphrase", "credentials", "session_id", "sessionId", "connectionString", "_password_", "password:", "jwt", "user.jwt",
		"kunden_nr", "KundenNr", "pw", "user_pw", "userPw", "x", "a_x", "schlüssel", "SCHLÜSSEL", "mein Schlüssel", "pin2", "my_pin_2",
		strings.Repeat("very_long_", 100) + "password",
	} {
		require.True(t, m.Key(name), name)
	}
	for _, name := range []string{
		"", "_", "a", "id", "run", "order_id", "sku", "rows", "tokens", "max_tokens", "total_tokens", "passwordless", "password_changed_at", "secretary", "cpwd",
		"keyboard", "monkey", "author", "authorized", "cookies_accepted", "sessions", "session_idle", "pwx", "CPWD", "Cpwd", "APwdx", "xy", "ax", "apw", "pin", "pin3", "9", "schlüsse",
		"é", "日本", "1234567890", "private_keys_count", "bearerless", strings.Repeat("long", 1000),
	} {
		require.False(t, m.Key(name), name)
	}
	var none *mask.Masker
	require.False(t, none.Key("password"))
}

func TestAddSecret(t *testing.T) {
	m := mask.New(nil)
	require.ErrorIs(t, m.AddSecret("abc"), mask.ErrTooShort)
	require.ErrorIs(t, m.AddSecret(" abc\n"), mask.ErrTooShort)
	require.ErrorIs(t, m.AddSecret(""), mask.ErrTooShort)
	require.False(t, m.HasSecrets())
	require.Zero(t, m.Version())
	require.NoError(t, m.AddSecret("abcd"))
	require.True(t, m.HasSecrets())
	v := m.Version()
	require.NotZero(t, v)
	require.NoError(t, m.AddSecret("abcd"))
	require.Equal(t, v, m.Version())
	require.NoError(t, m.AddSecret("efgh"))
	require.Greater(t, m.Version(), v)
}

func TestMask(t *testing.T) {
	f := func(secrets []string, in, want string) {
		t.Helper()
		m := mask.New(nil)
		for _, s := range secrets {
			require.NoError(t, m.AddSecret(s))
		}
		got, changed := m.Mask(in)
		require.Equal(t, want, got)
		require.Equal(t, in != want, changed)
		require.Equal(t, changed, m.Contains([]byte(in)))
	}
	f([]string{"hunter22"}, "", "")
	f([]string{"hunter22"}, "hunter2", "hunter2")
	f([]string{"hunter22"}, "hunter22", "***")
	f([]string{"hunter22"}, "a hunter22, hunter22hunter22 b", "a ***, ****** b")
	f([]string{"abcd", "cdef"}, "xabcdefx", "x***x")              // overlapping
	f([]string{"abcd", "abcdefgh"}, "abcdefgh abcde", "*** ***e") // one in the other
	f([]string{"aaaa"}, "aaaaaaab", "***b")
	f([]string{"abcdefghijklmnop"}, "abcde-ghijklmnop", "abcde-ghijklmnop") // all but one byte
	f([]string{"ünïcödé"}, "ein ünïcödé ist", "ein *** ist")
	f([]string{" padded\n"}, "padded", "***")
	f([]string{"line one\nline two\r\nx\n"}, "line two! line one! line", "***! ***! line")
	var none *mask.Masker
	s, changed := none.Mask("x")
	require.Equal(t, "x", s)
	require.False(t, changed)
	require.False(t, none.Contains([]byte("x")))
	require.False(t, none.HasSecrets())
	require.Zero(t, none.Version())
}

// What a secret costs does not grow with those before it.
func TestManySecrets(t *testing.T) {
	const n, most = 1000, 256 << 10
	m := mask.New(nil)
	// Tokens begin alike, and some secrets are short.
	secret := func(i int) string {
		if i%100 == 99 {
			return fmt.Sprintf("pin-%04d", i)
		}
		return fmt.Sprintf("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.%x", uint64(i)*0x9e3779b1)
	}
	var before, after runtime.MemStats
	for i := range n {
		if i == n-n/10 {
			runtime.ReadMemStats(&before)
		}
		require.NoError(t, m.AddSecret(secret(i)))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/(n/10), uint64(most), "bytes for each of the last")
	for i := range n {
		s, _ := m.Mask("a " + secret(i) + " b")
		require.Equal(t, "a *** b", s)
	}
	s, changed := m.Mask("a " + secret(n) + " b")
	require.False(t, changed, s)
}

func TestHead(t *testing.T) {
	m := mask.New(nil)
	require.Equal(t, "abc", m.Head("abcd", 3))
	require.NoError(t, m.AddSecret("hunter22"))
	require.NoError(t, m.AddSecret("22times"))
	for n, want := range map[int]string{0: "", 1: "a", 2: "a ", 3: "a ***", 8: "a ***", 10: "a ***", 11: "a *** ", 12: "a *** b", 13: "a *** b***",
		20: "a *** b***", 25: "a *** b***", 26: "a *** b***c", 99: "a *** b***c"} {
		require.Equal(t, want, m.Head("a hunter22 bhunter22timesc", n), n)
	}
	require.Equal(t, "hun", m.Head("hunter2", 3))
	var none *mask.Masker
	require.Equal(t, "x", none.Head("xy", 1))
}

// leaks reports whether text shows a form of the secret.
func leaks(text, secret string) bool {
	return strings.Contains(text, secret)
}

func TestForms(t *testing.T) {
	const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg+/kqhkiG9w0\nAoGBAPx7 &<>\"\\ü?\n-----END KEY-----"
	for _, secret := range []string{"abcd", "a+b/c?d=e&f%g", "hunter2\"\\<>&\u2028é", "päss wörd", "0123456789abcdef0123456789abcdef", strings.Repeat("long secret ", 50) + "x", pem} {
		m := mask.New(nil)
		require.NoError(t, m.AddSecret(secret))
		for _, part := range strings.Split(secret, "\n") {
			t.Run(fmt.Sprintf("R6.2 mask: every form of %.8q", part), func(t *testing.T) {
				hide := func(text string) string {
					t.Helper()
					masked, changed := m.Mask("before " + text + " after")
					require.True(t, changed, text)
					require.Contains(t, masked, mask.Hidden)
					require.True(t, strings.HasPrefix(masked, "before ") && strings.HasSuffix(masked, " after"))
					return strings.TrimSuffix(strings.TrimPrefix(masked, "before "), " after")
				}
				require.Equal(t, "***", hide(part))
				require.Equal(t, "***", hide(url.QueryEscape(part)))
				require.Equal(t, "***", hide(url.PathEscape(part)))
				require.Equal(t, "***", hide(strings.ToLower(url.QueryEscape(part[:0]))+url.QueryEscape(part)))
				require.Equal(t, "me:***@host", hide((&url.URL{User: url.UserPassword("me", part), Host: "host"}).String()[2:]))
				require.Equal(t, "***", hide((&url.URL{Path: "/" + part}).EscapedPath()[1:]))
				require.Equal(t, "***", hide(strings.ReplaceAll(url.QueryEscape(part), "+", "%20")))
				plain, err := json.Marshal(part)
				require.NoError(t, err)
				require.Equal(t, `"***"`, hide(string(plain)))
				encodings := []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}
				for _, enc := range encodings {
					require.Equal(t, "***", hide(enc.EncodeToString([]byte(part))))
				}
				for before := range 6 {
					for after := range 4 {
						text := strings.Repeat("#", before) + part + strings.Repeat("%", after)
						for _, enc := range encodings {
							masked := hide(enc.EncodeToString([]byte(text)))
							require.Less(t, len(masked), (before+after)*4/3+len("***")+8, "%q is too much of %q", masked, enc.EncodeToString([]byte(text)))
						}
					}
				}
			})
		}
	}
	// What others make of a text, by their own programs.
	const odd = `pä"s/wö +&'!~*()[\]^$,;:=@?#%{|}<>😀`
	for name, form := range map[string]string{
		"encodeURIComponent":       "p%C3%A4%22s%2Fw%C3%B6%20%2B%26'!~*()%5B%5C%5D%5E%24%2C%3B%3A%3D%40%3F%23%25%7B%7C%7D%3C%3E%F0%9F%98%80",
		"encodeURI":                "p%C3%A4%22s/w%C3%B6%20+&'!~*()%5B%5C%5D%5E$,;:=@?#%25%7B%7C%7D%3C%3E%F0%9F%98%80",
		"the query of a browser":   "p%C3%A4%22s/w%C3%B6%20+&%27!~*()[\\]^$,;:=@?%23%{|}%3C%3E%F0%9F%98%80",
		"a form of a browser":      "p%C3%A4%22s%2Fw%C3%B6+%2B%26%27%21%7E*%28%29%5B%5C%5D%5E%24%2C%3B%3A%3D%40%3F%23%25%7B%7C%7D%3C%3E%F0%9F%98%80",
		"quote of Python":          "p%C3%A4%22s/w%C3%B6%20%2B%26%27%21~%2A%28%29%5B%5C%5D%5E%24%2C%3B%3A%3D%40%3F%23%25%7B%7C%7D%3C%3E%F0%9F%98%80",
		"urlencode of PHP":         "p%C3%A4%22s%2Fw%C3%B6+%2B%26%27%21%7E%2A%28%29%5B%5C%5D%5E%24%2C%3B%3A%3D%40%3F%23%25%7B%7C%7D%3C%3E%F0%9F%98%80",
		"json.dumps of Python":     `p\u00e4\"s/w\u00f6 +&'!~*()[\\]^$,;:=@?#%{|}<>\ud83d\ude00`,
		"json_encode of PHP":       `p\u00e4\"s\/w\u00f6 +&'!~*()[\\]^$,;:=@?#%{|}<>\ud83d\ude00`,
		"JSON with capital digits": `p\u00E4\"s/w\u00F6 +&'!~*()[\\]^$,;:=@?#%{|}<>\uD83D\uDE00`,
	} {
		t.Run("R6.2 mask: "+name, func(t *testing.T) {
			m := mask.New(nil)
			require.NoError(t, m.AddSecret(odd))
			s, _ := m.Mask("x" + form + "y")
			require.Equal(t, "x***y", s)
		})
	}
	t.Run("R6.2 mask: lower-case percent escapes", func(t *testing.T) {
		m := mask.New(nil)
		require.NoError(t, m.AddSecret("a/b?ö=d"))
		s, _ := m.Mask("a%2fb%3f%c3%b6%3dd")
		require.Equal(t, "***", s)
	})
}

// The matcher finds what a plain loop finds.
func TestAgainstLoop(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdABCD01"[r.IntN(10)]
		}
		return string(b)
	}
	for round := range 300 {
		m := mask.New(nil)
		var secrets []string
		for range 1 + r.IntN(6) {
			secrets = append(secrets, word(4+r.IntN(12)))
			require.NoError(t, m.AddSecret(secrets[len(secrets)-1]))
		}
		for range 20 {
			text := word(r.IntN(40))
			for range r.IntN(4) {
				text += secrets[r.IntN(len(secrets))] + word(r.IntN(20))
			}
			masked, _ := m.Mask(text)
			want := false
			for _, s := range secrets {
				want = want || strings.Contains(text, s)
				require.False(t, leaks(masked, s), "seed %d round %d: %q in %q", seed, round, s, masked)
			}
			if want {
				require.True(t, m.Contains([]byte(text)))
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	m := mask.New(nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				secret := fmt.Sprintf("secret-%d-%d", i, j)
				require.NoError(t, m.AddSecret(secret))
				s, changed := m.Mask("x " + secret)
				require.True(t, changed)
				require.Equal(t, "x ***", s)
			}
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	m := mask.New(nil)
	require.NoError(t, m.AddSecret("hunter22"))
	text, name := strings.Repeat("nothing secret here ", 20), "some_Other_Password"
	require.Zero(t, testing.AllocsPerRun(100, func() { m.Mask(text); m.Key(name); m.Key("rows") }))
}

func FuzzMask(f *testing.F) {
	f.Add("hunter22", "ter22hunter22hun")
	f.Add("a\nbcdef\n", "bcdefbcdef")
	f.Add("\xff\xfe\xfd\xfc", "\xff\xfe\xfd\xfc")
	f.Fuzz(func(t *testing.T, secret, text string) {
		m := mask.New([]string{secret})
		m.Key(text)
		if m.AddSecret(secret) != nil {
			return
		}
		if trimmed := strings.TrimSpace(secret); !strings.Contains(mask.Hidden, trimmed) && !strings.Contains(trimmed, "*") {
			masked, changed := m.Mask(text + secret + text)
			require.True(t, changed)
			require.NotContains(t, masked, trimmed)
		}
	})
}
