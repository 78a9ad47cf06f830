package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	_ "github.com/oapi-codegen/runtime" // what is generated imports it
	"github.com/stretchr/testify/require"
)

// reader is a program that reads a page with the generated client.
const reader = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
)

func main() {
	client, err := NewClientWithResponses(os.Args[1], WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Args[2])
		return nil
	}))
	if err != nil {
		panic(err)
	}
	level, limit := "INFO,WARN,ERROR", 3
	entries, err := client.ListEntriesWithResponse(context.Background(), &ListEntriesParams{Level: &level, Limit: &limit})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(entries.JSON200.Data.Entries), entries.JSON200.Data.Total >= 3)
	kind, project, flow := ListLogsParamsLogType(1), "shop", "price-sync"
	page, err := client.ListLogsWithResponse(context.Background(), &ListLogsParams{LogType: &kind, Projectid: &project, FlowID: &flow})
	if err != nil {
		panic(err)
	}
	logs, err := page.JSON200.AsFlowLogPage()
	if err != nil {
		panic(err)
	}
	fmt.Println(logs.Count, logs.Limit)
}
`

// TestGeneratedClient generates a client from the OpenAPI document, compiles it
// and reads pages with it.
func TestGeneratedClient(t *testing.T) {
	code, err := codegen.Generate(document(t), codegen.Configuration{
		PackageName:   "main",
		Generate:      codegen.GenerateOptions{Client: true, Models: true},
		OutputOptions: codegen.OutputOptions{NameNormalizer: string(codegen.NameNormalizerFunctionToCamelCaseWithInitialisms)},
	})
	require.NoError(t, err)
	// In the module, for what is generated imports packages that it requires.
	dir, err := os.MkdirTemp(".", "generated-")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client.go"), []byte(code), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(reader), 0o600))
	url := engine(t)
	mainLog(t, url)
	c := exec.CommandContext(t.Context(), "go", "run", "./"+dir, url, token)
	c.Env = append(os.Environ(), "GOWORK=off")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "3 true\n1 25\n", string(out))
}
