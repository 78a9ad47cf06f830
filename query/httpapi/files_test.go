package httpapi_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// folder is a server over a real folder.
func folder(t testing.TB, adjust func(*httpapi.Options)) (*server, string) {
	t.Helper()
	dir := t.TempDir()
	store, err := logger.Open(dir, &logger.Options{OnProblem: func(err error) { t.Errorf("the store reports: %v", err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	s := &server{Store: store}
	s.Handler = handler(t, store.Query(), store, adjust)
	return s, dir
}

// fileNames returns the names of the list that belong to a log.
func (s *server) fileNames(t testing.TB, log string) []string {
	t.Helper()
	names := []string{}
	for _, f := range s.data(t, "/files")["files"].([]any) {
		if f.(map[string]any)["log"] == log {
			names = append(names, f.(map[string]any)["name"].(string))
		}
	}
	return names
}

// closed logs to email.log and closes it, and waits until it is compressed.
func (s *server) closed(t testing.TB, from, to int) string {
	t.Helper()
	log := s.Server("edge-1").To("email")
	for i := from; i < to; i++ {
		log.Info(fmt.Sprint("mail ", i))
	}
	before := len(s.fileNames(t, "email"))
	require.NoError(t, s.Rotate(t.Context(), "email"))
	var newest string
	require.Eventually(t, func() bool {
		names := s.fileNames(t, "email")
		if len(names) != before+1 {
			return false
		}
		newest = names[len(names)-2]
		return strings.HasSuffix(newest, ".gz")
	}, waitFor, waitStep)
	return newest
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, nil)
	packed := s.closed(t, 0, 300)
	s.Server("edge-1").To("email").Info("mail 300")
	message := func(line any) string {
		t.Helper()
		return decode(t, line.(string))["message"].(string)
	}

	t.Run("R5.3 http: list", func(t *testing.T) {
		for _, f := range s.data(t, "/files")["files"].([]any) {
			f := f.(map[string]any)
			require.Contains(t, []any{"application", "email"}, f["log"])
			require.Equal(t, f["name"] == f["log"].(string)+".log", f["active"])
			require.Equal(t, strings.HasSuffix(f["name"].(string), ".gz"), f["compressed"])
			require.NotEmpty(t, f["first"])
		}
		require.Equal(t, []string{packed, "email.log"}, s.fileNames(t, "email"))
	})
	t.Run("R5.3 http: view the last lines, the first, and those from a place on, compressed ones too", func(t *testing.T) {
		for target, want := range map[string][]string{
			"/files/" + packed:                        {"mail 100", "mail 299"},
			"/files/" + packed + "?tail=2":            {"mail 298", "mail 299"},
			"/files/" + packed + "?head=3":            {"mail 0", "mail 2"},
			"/files/" + packed + "?offset=10&limit=5": {"mail 10", "mail 14"},
			"/files/" + packed + "?offset=299":        {"mail 299", "mail 299"},
			"/files/email.log?tail=5000":              {"mail 300", "mail 300"},
		} {
			lines := s.data(t, target)["lines"].([]any)
			require.Equal(t, want, []string{message(lines[0]), message(lines[len(lines)-1])}, target)
		}
		require.Empty(t, s.data(t, "/files/"+packed+"?offset=300")["lines"])
		require.Equal(t, "offset", refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, "/files/email.log?head=1&offset=2", ""))["param"])
		for _, bad := range []string{"?tail=1&head=1", "?tail=0", "?head=5001", "?tail=x", "?limit=5", "?offset=-1", "?offset=1&limit=5001", "?lines=3", "?tail=1&offset=2"} {
			s.refused(t, http.StatusBadRequest, "/files/"+packed+bad)
		}
	})
	t.Run("R5.3 http: download one file as it is stored, and a range of it", func(t *testing.T) {
		a := do(t, s, http.MethodGet, "/files/"+packed+"/content", "")
		require.Equal(t, "application/gzip", a.header.Get("Content-Type"))
		require.Empty(t, a.header.Get("Content-Encoding"))
		require.Equal(t, "attachment; filename="+packed, a.header.Get("Content-Disposition"))
		r, err := gzip.NewReader(strings.NewReader(a.body))
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, 300, bytes.Count(text, []byte("\n")))
		part := do(t, s, http.MethodGet, "/files/"+packed+"/content", "", "Range", "bytes=2-5")
		require.Equal(t, http.StatusPartialContent, part.status)
		require.Equal(t, a.body[2:6], part.body)
		require.Equal(t, a.body[2:6], do(t, s, http.MethodGet, "/files/"+packed+"/content", "", "Range", "Bytes=2-5").body)
		for _, unknown := range []string{"lines=1-2", "bytes", "0-9", "kibibytes=1-"} {
			whole := do(t, s, http.MethodGet, "/files/"+packed+"/content", "", "Range", unknown)
			require.Equal(t, http.StatusOK, whole.status, unknown)
			require.Equal(t, a.body, whole.body, unknown)
		}
		beyond := do(t, s, http.MethodGet, "/files/"+packed+"/content", "", "Range", "bytes=999999-")
		refusal(t, http.StatusRequestedRangeNotSatisfiable, beyond)
		require.Equal(t, fmt.Sprintf("bytes */%d", len(a.body)), beyond.header.Get("Content-Range"))
		require.Empty(t, beyond.header.Get("Content-Disposition"))
		require.Equal(t, "no-store", beyond.header.Get("Cache-Control"))
		for _, condition := range []string{"If-Match", "If-None-Match"} { // of the document's answers there is none for them
			for _, tag := range []string{`"x"`, "*"} {
				require.Equal(t, a.body, do(t, s, http.MethodGet, "/files/"+packed+"/content", "", condition, tag).body, "%s: %s", condition, tag)
			}
		}
		head := do(t, s, http.MethodHead, "/files/email.log/content", "")
		require.Empty(t, head.body)
		plain := do(t, s, http.MethodGet, "/files/email.log/content", "")
		require.Equal(t, fmt.Sprint(len(plain.body)), head.header.Get("Content-Length"))
		require.Equal(t, "mail 300", message(strings.TrimSpace(plain.body)))
	})
	t.Run("R1.5 http: download all files, or some, as a zip of text files", func(t *testing.T) {
		open := func(target string) map[string]string {
			t.Helper()
			a := do(t, s, http.MethodGet, target, "")
			require.Equal(t, "application/zip", a.header.Get("Content-Type"), a.body)
			z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
			require.NoError(t, err)
			texts := map[string]string{}
			for _, f := range z.File {
				r, err := f.Open()
				require.NoError(t, err)
				text, err := io.ReadAll(r)
				require.NoError(t, err)
				texts[f.Name] = string(text)
			}
			return texts
		}
		all := open("/files/download")
		require.Len(t, all, 3)
		require.Equal(t, 300, strings.Count(all[strings.TrimSuffix(packed, ".gz")], "\n"))
		some := open("/files/download?name=email.log&name=" + packed)
		require.Len(t, some, 2)
		s.refused(t, http.StatusBadRequest, "/files/download?name...=email.log")
		s.refused(t, http.StatusNotFound, "/files/download?name=nothing.log")
		s.refused(t, http.StatusNotFound, "/files/download?name=email.log&name=..%2Fx")
	})
	t.Run("R5.3 http: delete a closed file, and an active one only with rotate=1", func(t *testing.T) {
		del := func(target string) answer { return do(t, s, http.MethodDelete, target, "") }
		refusal(t, http.StatusConflict, del("/files/email.log"))
		refusal(t, http.StatusConflict, del("/files/email.log?rotate=0"))
		refusal(t, http.StatusBadRequest, del("/files/email.log?rotate=yes"))
		second := s.closed(t, 301, 310)
		require.Equal(t, http.StatusNoContent, del("/files/"+packed).status)
		require.Equal(t, []string{second, "email.log"}, s.fileNames(t, "email"))
		refusal(t, http.StatusNotFound, del("/files/"+packed))
		s.Server("edge-1").To("email").Info("mail 310")
		require.Equal(t, http.StatusNoContent, del("/files/email.log?rotate=1").status)
		require.Equal(t, []string{second, "email.log"}, s.fileNames(t, "email"), "what was closed before stays")
		require.Empty(t, s.data(t, "/files/email.log")["lines"])
		require.Equal(t, json.Number("10"), s.data(t, "/entries?in=email")["total"], "queries see it too")
		require.Equal(t, http.StatusNoContent, del("/files/email.log?rotate=1").status, "there is nothing to delete")
		require.Equal(t, "There is no such file.", refusal(t, http.StatusNotFound, del("/files/nothing.log"))["message"])
		refusal(t, http.StatusNotFound, del("/files/nothing.log?rotate=1"))
		refusal(t, http.StatusForbidden, del("/files/audit.log"))
		refusal(t, http.StatusForbidden, del("/files/audit-2026-01-01T00-00-00.000.log.gz"))
	})
}

// TestViewIsSentLineByLine: when the first lines are sent, the others are not JSON yet.
func TestViewIsSentLineByLine(t *testing.T) {
	s := serve(t, nil)
	log := s.Server("edge-1").To("email")
	for range 4000 {
		log.Info(strings.Repeat(`"`, 1000))
	}
	text := len(do(t, s, http.MethodGet, "/files/email.log/content", "").body)
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before, then := allocated(), uint64(0)
	w := &leaver{ResponseRecorder: httptest.NewRecorder(), began: func() { then = allocated() }}
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/files/email.log?head=4000", nil))
	require.Less(t, then-before, uint64(2*text))
	require.Len(t, decode(t, w.Body.String())["data"].(map[string]any)["lines"], 4000)
}

// TestOnlyLogs: no name leads out of the folder, or to what is no log.
func TestOnlyLogs(t *testing.T) {
	t.Parallel()
	s, dir := folder(t, nil)
	outside := filepath.Join(t.TempDir(), "secret.log")
	require.NoError(t, os.WriteFile(outside, []byte("secret\n"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.log")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "audit.key"), []byte("secret\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o700))
	for _, name := range []string{
		"..%2fsecret.log", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", ".%2fapplication.log", "..%5csecret.log", "link.log", "folder.log",
		"audit.key", "application.log%00", "application.log%00.gz", ".journal", ".journal%2fring", "%2e%2e", "application.log%2f", "APPLICATION.LOG",
		strings.Repeat("a", 300) + ".log", "%ff.log", "application.log.gz", "con", "application.log::$DATA",
	} {
		for _, target := range []string{"/files/" + name, "/files/" + name + "/content", "/files/download?name=" + name} {
			a := do(t, s, http.MethodGet, target, "")
			require.NotContains(t, a.body, "secret\\n", target)
			require.NotContains(t, a.body, "root:", target)
			require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, a.status, "%s: %s", target, a.body)
		}
		a := do(t, s, http.MethodDelete, "/files/"+name, "")
		require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest, http.StatusConflict}, a.status, "%s: %s", name, a.body)
	}
	_, err := os.Stat(outside)
	require.NoError(t, err)
	for _, f := range s.data(t, "/files")["files"].([]any) {
		require.Equal(t, "application.log", f.(map[string]any)["name"])
	}
}

func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	// Who sees the audit records of one project does not see them all.
	for _, of := range []httpapi.Principal{{}, {ID: "x", Projects: []string{"p-1"}}} {
		s, dir := folder(t, func(o *httpapi.Options) {
			o.Authorize = func(_ *http.Request, p httpapi.Permission) (httpapi.Principal, error) {
				if p == httpapi.AuditRead || p == httpapi.AccessRead {
					return of, nil
				}
				return httpapi.Principal{ID: "x", AllProjects: true}, nil
			}
		})
		for _, name := range []string{"audit.log", "access_log.log"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(`{"seq":0,"secret":1}`+"\n"), 0o600))
			s.refused(t, http.StatusForbidden, "/files/"+name)
			s.refused(t, http.StatusForbidden, "/files/"+name+"/content")
			s.refused(t, http.StatusForbidden, "/files/download?name="+name)
		}
		a := do(t, s, http.MethodGet, "/files/download", "")
		z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
		require.NoError(t, err)
		require.Len(t, z.File, 1)
		require.Equal(t, "application.log", z.File[0].Name)
	}
}

// A file that a rule deletes between the list and its turn is missing in a zip of all
// files, which is whole.
func TestDownloadWhileFilesAreDeleted(t *testing.T) {
	t.Parallel()
	var s *server
	var goes string
	s, _ = folder(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, p httpapi.Permission) (httpapi.Principal, error) {
			if p == httpapi.AuditRead { // files of the trail are in the list
				if err := s.Files().Delete(r.Context(), goes); err != nil {
					return httpapi.Principal{}, err
				}
			}
			return httpapi.Principal{ID: "x", AllProjects: true}, nil
		}
	})
	s.Audit()
	goes = s.closed(t, 0, 10)
	stays := s.closed(t, 10, 20)
	a := do(t, s, http.MethodGet, "/files/download", "")
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	require.NoError(t, err)
	names := []string{}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"application.log", "audit.log", strings.TrimSuffix(stays, ".gz"), "email.log"}, names)
}
