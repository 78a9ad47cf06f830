// Package newcomer_test stands outside the module, as whoever imports the
// library does: it can use what is exported and nothing else.
package newcomer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// TestReadme keeps the program in the README true: it is the one in readme/,
// and it does what the text below it says.
func TestReadme(t *testing.T) {
	program, err := os.ReadFile("readme/main.go")
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), "```go\n"+string(program)+"```\n", "the README shows another program than readme/main.go")

	binary := filepath.Join(t.TempDir(), "readme.exe")
	out, err := exec.Command("go", "build", "-o", binary, "./readme").CombinedOutput()
	require.NoError(t, err, string(out))
	cmd := exec.Command(binary)
	cmd.Dir = t.TempDir()
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	printed := strings.TrimSpace(string(out))
	require.Contains(t, string(readme), "It prints `"+printed+"`")

	lines, err := os.ReadFile(filepath.Join(cmd.Dir, "data/logs/user.log"))
	require.NoError(t, err)
	require.Contains(t, string(lines), `"message":"a price is missing"`)
}

// act is one action of a flow.
type act struct {
	name string
	do   func(ctx context.Context, in any) (any, error)
}

// runFlow is a whole engine: it knows nothing of what its actions log.
func runFlow(ctx context.Context, orders *logger.Service, in any, actions ...act) (out any, err error) {
	ctx, run := orders.Operation("sync-prices").Start(ctx, logger.Project("p-1"), logger.TriggeredBy("test@example.com"))
	defer func() { run.End(err) }()
	for i, a := range actions {
		for attempt := 1; attempt <= 3; attempt++ {
			actx, step := logger.StartStep(ctx, a.name, logger.Order(i+1), logger.Attempt(attempt), logger.Input(in))
			out, err = a.do(actx, in)
			step.End(out, err)
			if err == nil {
				break
			}
		}
		if err != nil {
			return nil, err
		}
		in = out
	}
	return in, nil
}

func TestEngine(t *testing.T) {
	sink := loggertest.New(t)
	orders := sink.Server("edge-1").Service("orders")
	tries := 0
	_, err := runFlow(t.Context(), orders, map[string]any{"page": 1},
		act{"read_data_from_erp", func(ctx context.Context, _ any) (any, error) {
			logger.FromContext(ctx).Info("fetched", zap.Int("rows", 42))
			logger.Value(ctx, levels.Info, "Test", map[string]any{"sku": "A-1"})
			return map[string]any{"rows": 42}, nil
		}},
		act{"write_to_shop", func(ctx context.Context, _ any) (any, error) {
			if tries++; tries < 3 {
				return nil, errors.New("503 from the shop")
			}
			logger.FromContext(ctx).Warn("written late", zap.String("sku", "A-1"))
			return nil, nil
		}})
	require.NoError(t, err)

	require.Len(t, sink.MainLogs(), 1)
	run := sink.MainLogs()[0]
	require.Equal(t, query.Succeeded, run.Outcome)
	require.Equal(t, "test@example.com", run.TriggeredBy)
	require.Len(t, sink.SubLogs(), 4)
	require.Len(t, sink.LineLogs(), 3)

	page, err := sink.Query().LineLogs(t.Context(), query.Filter{Project: "p-1", Operation: "sync-prices", Run: run.Run,
		Levels: levels.AtLeast(levels.Warn), Where: query.Eq("sku", "A-1")}, query.Paging{Limit: 20})
	require.NoError(t, err)
	require.Equal(t, query.Total{N: 1, Exact: true}, page.Total)
	require.Equal(t, "written late", page.Items[0].Message)

	var messages []string
	for record, err := range sink.Query().All(t.Context(), query.Filter{Run: run.Run, Kinds: []query.Kind{query.KindLine}}) {
		require.NoError(t, err)
		messages = append(messages, record.Message)
	}
	require.Equal(t, []string{"fetched", "Test", "written late"}, messages)
}
