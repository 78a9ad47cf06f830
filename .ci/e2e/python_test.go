package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the document leaves open in its sample: address, parameters and token.
// The blanks ahead of its first line are of the page that it was copied from.
func filled(document, url, id string) string {
	return strings.NewReplacer(
		"  from io", "from io",
		"https://flow-dev.entegrator.akinon.net:3000", url,
		`"id": 000000`, `"id": `+id,
		`"<projectId>"`, `"shop"`,
		`"<flowId>"`, `"price-sync"`,
		`"<projectSlug>"`, `"my-shop"`,
		"<token>", token,
	).Replace(document)
}

func TestDocumentsPythonSample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "document.py.txt"))
	require.NoError(t, err)
	document := string(text)
	url := engine(t)
	sample := filled(document, url, mainLog(t, url).String())

	t.Run("R2.6 http: the document's sample differs in address, parameters and token only", func(t *testing.T) {
		want, got := strings.Split(document, "\n"), strings.Split(sample, "\n")
		require.Len(t, got, len(want))
		var changed []string
		for i := range want {
			if strings.TrimSpace(want[i]) != strings.TrimSpace(got[i]) {
				changed = append(changed, want[i])
			}
		}
		require.Equal(t, []string{
			`url = "https://flow-dev.entegrator.akinon.net:3000/logs/download"`,
			`"id": 000000,`, `"projectId": "<projectId>",`, `"flowId": "<flowId>",`, `"projectslug": "<projectSlug>"`,
			`'Authorization': 'Bearer <token>'`,
		}, changed)
	})
	t.Run("R2.6 http: it runs and prints the log", func(t *testing.T) {
		script := filepath.Join(t.TempDir(), "sample.py")
		check := "\nassert set(log) == {'log', 'errors', 'request', 'response', 'steps', 'lines'}, log.keys()\n" +
			"assert zip_file.filelist[0].filename == 'log-%d.json' % log['log']['id']\n" +
			"assert log['log']['process_group_id'] == 'price-sync' and len(log['steps']) > 3 and len(log['lines']) > 3\n"
		require.NoError(t, os.WriteFile(script, []byte(sample+check), 0o600))
		c := exec.CommandContext(t.Context(), "python3", script)
		c.Env = os.Environ()
		if exec.Command("python3", "-c", "import requests").Run() != nil {
			c.Env = append(c.Env, "PYTHONPATH=testdata") // requests.py there does the same with urllib
		}
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "'process_group_id': 'price-sync'")
	})
}

// TestWithoutRequests runs the sample with the module that stands in for
// requests where that is not installed.
func TestWithoutRequests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "document.py.txt"))
	require.NoError(t, err)
	url := engine(t)
	script := filepath.Join(t.TempDir(), "sample.py")
	require.NoError(t, os.WriteFile(script, []byte(filled(string(text), url, mainLog(t, url).String())), 0o600))
	c := exec.CommandContext(t.Context(), "python3", script)
	c.Env = append(os.Environ(), "PYTHONPATH=testdata")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "'process_group_id': 'price-sync'")
}
