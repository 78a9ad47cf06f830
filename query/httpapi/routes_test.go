package httpapi

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
)

// TestDocumentNamesTheRoutes: what is served is described, and nothing else is.
func TestDocumentNamesTheRoutes(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	a := &api{store: store}
	var served, described []string
	for _, r := range a.routes() {
		served = append(served, r.pattern)
	}
	path := ""
	for line := range strings.Lines(string(openAPI)) {
		if strings.HasPrefix(line, "components:") {
			break
		}
		if m := regexp.MustCompile(`^  (/\S+):$`).FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			path = m[1]
		}
		if m := regexp.MustCompile(`^    (get|put|delete|post|patch):$`).FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			described = append(described, strings.ToUpper(m[1])+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	require.Equal(t, served, described)

	comment, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, pattern := range served {
		_, path, _ := strings.Cut(pattern, " ")
		require.Regexp(t, `[ ]`+regexp.QuoteMeta(path)+`[,; \n]`, string(comment), "the package comment leaves it out")
	}
}
