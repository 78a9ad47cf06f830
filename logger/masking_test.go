package logger_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// everyFile is what all files in an open store's folder hold: the text, and what
// the journal keeps beside it.
func everyFile(t *testing.T, store *logger.Store, dir string) string {
	t.Helper()
	require.NoError(t, store.Sync(t.Context()))
	var text strings.Builder
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	private, err := filepath.Glob(filepath.Join(dir, ".journal", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, private)
	for _, name := range append(names, private...) {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		text.Write(b)
	}
	return text.String()
}

// everywhere logs a text in each place that takes the host's values.
func everywhere(t *testing.T, store *logger.Store, s string) {
	t.Helper()
	ctx, run := operation(store).Start(t.Context(), logger.Input(map[string]any{"in": s}))
	ctx, step := logger.StartStep(ctx, "a", logger.Input([]string{s}), logger.Iteration(0, s))
	l := logger.FromContext(ctx)
	l.Info("message "+s, zap.String("field", s), zap.Strings("list", []string{s}), zap.ByteString("bytes", []byte(s)),
		zap.Any("any", struct{ S string }{s}), zap.Binary("binary", []byte(s)), zap.String(s, "key"))
	l.Error("failed", zap.Error(fmt.Errorf("cause: %w", errors.New(s))), logger.Code(s))
	l.With(zap.String("bound", s)).Label(s).Info("bound")
	l.Slog().Info(s, "k", s)
	l.Zap().Info(s, zap.String("k", s))
	w := l.Writer(levels.Info)
	_, err := w.Write([]byte(s + "\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	logger.Value(ctx, levels.Info, "label", s)
	step.End(map[string]string{"out": s}, errors.New(s))
	run.End(errors.New(s))
}

func TestSecretsByKey(t *testing.T) {
	t.Run("R6.2 library: masked by key in fields, input and output, whatever the case and separators", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		ctx, run := operation(store).Start(t.Context(), logger.Input(map[string]any{"API-Key": "hidden-1"}))
		_, step := logger.StartStep(ctx, "a", logger.Input(headers{Authorization: "hidden-2"}))
		run.Info("m", zap.String("password", "hidden-3"), zap.Any("conf", map[string]any{"db_password": "hidden-4", "port": 1}),
			zap.Namespace("auth"), zap.String("accessToken", "hidden-5"))
		run.With(zap.String("secret", "hidden-6")).Info("bound")
		leak := errors.New("hidden-9")
		run.Error("error", zap.NamedError("password", leak))
		run.Error("namespace", zap.Namespace("credentials"), zap.Error(leak))
		run.With(zap.NamedError("token", leak)).With(zap.Namespace("secrets")).Error("bound", zap.Error(leak))
		run.Slog().WithGroup("cookies").Error("group", "err", leak)
		run.Error("two", zap.NamedError("password", leak), zap.Error(errors.New("seen")))
		run.Slog().Info("m", "client_secret", "hidden-7")
		step.End(json.RawMessage(`{"cookie":"hidden-8"}`), nil)
		run.End(nil)
		text := everyFile(t, store, dir)
		require.NotContains(t, text, "hidden-")
		require.GreaterOrEqual(t, strings.Count(text, `"***"`), 8)
		require.Contains(t, text, `"port":1`)
		require.Contains(t, text, `"error":{"message":"seen"},"details":{"password":"***"}`)
	})
	t.Run("R6.2 library: hosts add keys of their own", func(t *testing.T) {
		store := openMemory(t, &logger.Options{MaskKeys: []string{"iban"}})
		store.Server("edge-1").Info("m", zap.String("IBAN", "DE00"), zap.String("sku", "A-1"))
		require.Equal(t, map[string]any{"IBAN": "***", "sku": "A-1"}, details(t, host(t, store)[0]))
	})
}

// panicking panics with a text.
type panicking struct{ text string }

func (p panicking) String() string               { panic(p.text) }
func (p panicking) MarshalJSON() ([]byte, error) { panic(p.text) }

type headers struct {
	Authorization string
}

func TestSecretsByValue(t *testing.T) {
	const secret = `pa"ss/wörd+&42`
	std := base64.StdEncoding
	for name, form := range map[string]string{
		"raw":                     secret,
		"base64":                  std.EncodeToString([]byte(secret)),
		"base64, shifted by one":  std.EncodeToString([]byte("x" + secret + "yz")),
		"base64, shifted by two":  std.EncodeToString([]byte("xy" + secret + "z")),
		"base64 for URLs":         base64.URLEncoding.EncodeToString([]byte(secret)),
		"URL-escaped in a query":  url.QueryEscape(secret),
		"URL-escaped in a path":   url.PathEscape(secret),
		"URL-escaped by RFC 3986": strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"),
		"a URL with a password":   (&url.URL{Scheme: "postgres", User: url.UserPassword("me", secret), Host: "db"}).String(),
		"JSON-escaped":            jsonText(secret),
		"JSON-escaped in ASCII":   strings.ReplaceAll(jsonText(secret), "ö", `\u00f6`),
		"in the middle of a text": "before " + secret + " after",
	} {
		t.Run("R6.2 library: masked by registered value, "+name, func(t *testing.T) {
			dir := t.TempDir()
			store := openDir(t, dir, nil)
			require.NoError(t, store.AddSecret(secret))
			everywhere(t, store, form)
			text := everyFile(t, store, dir)
			// In the file the form stands JSON-escaped, if it stands there.
			core := form
			if strings.HasPrefix(name, "base64, shifted") {
				core = form[4 : len(form)-4] // what does not depend on what is around
			}
			require.NotContains(t, text, strings.Trim(jsonText(core), `"`))
			require.NotContains(t, text, core)
			require.Contains(t, text, "***")
		})
	}
	t.Run("R6.2 library: each line of a multi-line secret", func(t *testing.T) {
		dir := t.TempDir()
		store := openDir(t, dir, nil)
		require.NoError(t, store.AddSecret("-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"))
		everywhere(t, store, "leaked kqhkiG9w0BAQEF here")
		require.NotContains(t, everyFile(t, store, dir), "kqhkiG9w0BAQEF")
	})
	t.Run("R6.2 library: a long line given to a writer is cut within no secret", func(t *testing.T) {
		store := openMemory(t, nil)
		secret := strings.Repeat("sesame-", 1000)
		require.NoError(t, store.AddSecret(secret))
		w := store.Server("edge-1").Writer(levels.Info)
		for _, before := range []int{1, 52_000, 58_000, 58_530, 70_000} {
			for _, behind := range []int{0, 9000, 100_000} {
				_, err := w.Write([]byte(secret + strings.Repeat("x", before) + secret + strings.Repeat("y", behind) + "\n"))
				require.NoError(t, err)
			}
		}
		_, err := w.Write([]byte(strings.Repeat(secret+"x", 13)))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		all := host(t, store)
		require.Len(t, all, 16)
		for _, r := range all {
			require.NotContains(t, string(r.Raw), "sesame")
			require.True(t, strings.HasPrefix(r.Message, "***x"), "%.20s", r.Message)
		}
	})
	t.Run("R6.2 library: reasons and the texts of panics are cut within no secret", func(t *testing.T) {
		secret := strings.Repeat("sesame-", 20)
		store := openMemory(t, nil)
		require.NoError(t, store.AddSecret(secret))
		for _, length := range []int{256, 4096} {
			for before := length - len(secret) - 10; before < length; before += 7 {
				text := strings.Repeat("é", before/2) + secret
				ctx, run := operation(store).Start(t.Context())
				_, step := logger.StartStep(ctx, "a")
				run.Info("m", zap.Stringer("k", panicking{text}))
				step.End(panicking{text}, errors.New(text))
				run.End(errors.New(text + secret))
			}
		}
		all := host(t, store)
		for _, r := range all {
			require.NotContains(t, string(r.Raw), "sesame")
			require.NotContains(t, string(r.Raw), "\\ufffd")
		}
		require.Contains(t, string(all[len(all)-1].Raw), `é***…"`)
	})
	t.Run("R6.2 library: what a hook panics with is hidden in problems", func(t *testing.T) {
		store := openMemory(t, &logger.Options{TraceIDs: func(context.Context) (string, string) { panic("open sesame") }})
		require.NoError(t, store.AddSecret("sesame"))
		operation(store).Start(t.Context())
		require.ErrorIs(t, store.Stats().LastProblem, logger.ErrPanicked)
		require.ErrorContains(t, store.Stats().LastProblem, "open ***")
	})
	t.Run("R6.2 library: the least length is 4", func(t *testing.T) {
		store := openMemory(t, nil)
		require.ErrorIs(t, store.AddSecret("abc"), logger.ErrTooShort)
		require.ErrorIs(t, store.AddSecret(""), logger.ErrTooShort)
		require.NoError(t, store.AddSecret("abcd"))
	})
	t.Run("R6.2 library: a secret that is added later is masked from then on, in loggers handed out before", func(t *testing.T) {
		store := openMemory(t, nil)
		l := store.Server("edge-1").With(zap.String("k", "v"))
		l.Info("open sesame")
		require.NoError(t, store.AddSecret("sesame"))
		l.Info("open sesame")
		require.Equal(t, []string{"open sesame", "open ***"}, messages(host(t, store)))
	})
	t.Run("R6.2 library: a secret that is added later is masked in what ends repeat of starts", func(t *testing.T) {
		store := openMemory(t, nil)
		ctx, run := operation(store).Start(t.Context(), logger.TriggeredBy("sesame"), logger.Schedule("sesame"))
		_, ended := logger.StartStep(ctx, "a", logger.Iteration(0, map[string]any{"k": "sesame"}))
		_, left := logger.StartStep(ctx, "b", logger.Iteration(1, "sesame"))
		had := len(host(t, store))
		require.NoError(t, store.AddSecret("sesame"))
		ended.End(nil, nil)
		run.End(nil)
		left.End(nil, nil)
		all := host(t, store)[had:]
		require.Len(t, all, 4, "the library ended one of them first")
		for _, r := range all {
			require.True(t, json.Valid(r.Raw), "%s", r.Raw)
			require.NotContains(t, string(r.Raw), "sesame")
		}
		require.Contains(t, string(all[0].Raw), `"iteration":{"index":0,"value":{"k":"***"}}`)
	})
	t.Run("R6.2 library: a secret that is added later is masked in what loggers had bound before", func(t *testing.T) {
		store := openMemory(t, nil)
		server := store.Server("edge-1")
		l := server.With(zap.String("a", "open sesame"), zap.Any("m", map[string]any{"sesame": []any{1, -71236.5, "x\"sesame", true, nil}}),
			zap.Int64("n", 7123), zap.Namespace("ns"), zap.String("b", "sesame"), zap.Namespace("empty")).Label("sesame")
		z, s := server.Zap().With(zap.String("k", "sesame")), server.Slog().With("k", "sesame")
		calls := map[string]func(){
			"logger": func() { l.Info("m") }, "more fields": func() { l.With(zap.String("k", "sesame")).Info("m") },
			"zap": func() { z.Info("m") }, "slog": func() { s.Info("m") },
		}
		kept := func(call func()) string {
			had := len(host(t, store))
			call()
			all := host(t, store)
			require.Len(t, all, had+1)
			_, details, err := all[had].Objects()
			require.NoError(t, err)
			require.True(t, json.Valid(details), "%s", details)
			return string(details)
		}
		for name, call := range calls {
			require.Contains(t, kept(call), "sesame", name)
		}
		for _, secret := range []string{"7123", "sesame"} {
			require.NoError(t, store.AddSecret(secret))
			for name, call := range calls {
				require.NotContains(t, kept(call), secret, name)
			}
		}
		l.Info("last", zap.Int("i", 1))
		all := host(t, store)
		require.Contains(t, string(all[len(all)-1].Raw), `"label":"***","message":"last","details":{"a":"open ***","m":{"***":[1,"-***6.5","x\"***",true,null]},"n":"***","ns":{"b":"***","empty":{"i":1}}}`)
	})
	t.Run("R6.2 library: masked before any sink, so no query finds it", func(t *testing.T) {
		store := openMemory(t, nil)
		require.NoError(t, store.AddSecret("sesame"))
		everywhere(t, store, "sesame")
		for _, r := range host(t, store) {
			require.NotContains(t, string(r.Raw), "sesame")
		}
		page, err := store.Query().LineLogs(t.Context(), query.Filter{Search: "sesame"}, query.Paging{})
		require.NoError(t, err)
		require.Empty(t, page.Items)
	})
}

func jsonText(s string) string {
	b, _ := json.Marshal(s)
	return strings.Trim(string(b), `"`)
}

func TestOversize(t *testing.T) {
	t.Run("R6.3 library: a field that no line can hold is cut, with truncated and its size", func(t *testing.T) {
		store := openMemory(t, nil)
		store.Server("edge-1").Info("m", zap.String("big", strings.Repeat("ä", 5<<20)), zap.Int("small", 1))
		r := host(t, store)[0]
		require.True(t, r.Truncated)
		require.LessOrEqual(t, len(r.Raw), 1<<20)
		size, ok := r.Field("big.$cut")
		require.True(t, ok)
		require.EqualValues(t, fmt.Sprint(10<<20), size)
		small, _ := r.Field("small")
		require.EqualValues(t, "1", small)
		require.Zero(t, store.Stats().Dropped)
	})
	t.Run("R6.3 library: messages, errors, values and iterations of any size are kept", func(t *testing.T) {
		store := openMemory(t, nil)
		everywhere(t, store, strings.Repeat("x", 3<<20))
		require.Zero(t, store.Stats().Dropped)
		truncated := 0
		original := regexp.MustCompile(`"(\$cut|bytes)":[0-9]{7,}`) // a line of a Writer says it under bytes
		for _, r := range host(t, store) {
			require.LessOrEqual(t, len(r.Raw), 1<<20)
			require.True(t, json.Valid(r.Raw))
			if r.Truncated {
				truncated++
				require.True(t, original.Match(r.Raw), "the original size of %s %.30q", r.Kind, r.Message)
			}
		}
		require.GreaterOrEqual(t, truncated, 10)
	})
	t.Run("R6.3 library: ids of any length stay apart", func(t *testing.T) {
		store := openMemory(t, nil)
		long := strings.Repeat("x", 100_000)
		_, a := operation(store).Start(t.Context(), logger.ID(long+"a"))
		_, b := operation(store).Start(t.Context(), logger.ID(long+"b"))
		a.End(nil)
		b.End(errors.New("x"))
		require.NotEqual(t, a.ID(), b.ID())
		require.Equal(t, query.Succeeded, mainLog(t, store, a.ID()).Outcome)
		require.Equal(t, query.Failed, mainLog(t, store, b.ID()).Outcome)
	})
}
