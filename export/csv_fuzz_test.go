package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/export"
)

// Whatever text was logged, the table reads back as it, alone in its row too, and no cell
// begins like a formula.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"", "=1+1", "a,b\n\"c\"", "\x00", "-1", "\r\n", "ü\u2028", `\.`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := json.Marshal(map[string]any{"seq": 1, "details": map[string]string{"text": text}})
		require.NoError(t, err)
		var logged struct{ Details struct{ Text string } }
		require.NoError(t, json.Unmarshal(raw, &logged)) // without what JSON cannot say
		// The reader takes a carriage return before a newline for part of it.
		text = strings.ReplaceAll(logged.Details.Text, "\r\n", "\n")

		for _, o := range []export.CSVOptions{
			{Columns: []string{"seq", "details.text"}}, {Columns: []string{"seq", "details.text"}, Cells: export.PlainCells},
			{Columns: []string{"details.text"}}, {Columns: []string{"details.text"}, Cells: export.PlainCells},
		} {
			var b bytes.Buffer
			n, err := export.CSV(&b, failing(nil, string(raw)), &o)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			rows, err := csv.NewReader(&b).ReadAll()
			require.NoError(t, err)
			require.Len(t, rows, 2)
			cell := rows[1][len(rows[1])-1]
			got := cell
			if o.Cells == export.SafeCells && got != text {
				require.Equal(t, byte('\''), got[0])
				got = got[1:]
			}
			require.Equal(t, text, got)
			if o.Cells == export.SafeCells && cell != "" {
				require.NotContains(t, "=+-@\t\r\x00", cell[:1])
			}
		}
	})
}
