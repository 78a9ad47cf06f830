package export

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/query"
)

// ErrColumn is returned by [CSV] and [AccessCSV] for a column that they do not
// know, before anything is written.
var ErrColumn = errors.New("export: unknown column")

// Cells says what [CSV] does with text that a spreadsheet could take for a
// formula.
type Cells uint8

const (
	// SafeCells puts an apostrophe ahead of cells that begin with = + - @, a
	// tab, a carriage return or a NUL, so that opening the file runs nothing
	// that somebody managed to have logged. A negative number is such a cell.
	// See https://owasp.org/www-community/attacks/CSV_Injection.
	SafeCells Cells = iota
	// PlainCells leaves every cell as it is, for programs that read the file.
	PlainCells
)

// CSVOptions say what [CSV] writes. The zero value and nil are ready to use.
type CSVOptions struct {
	// Columns are the columns of [CSV] in their order: "seq", "timestamp",
	// "attempt", "message", "stack" and "truncated"; the keys that
	// query.Engine.Facets lists, such as "service", "file" and "error_code";
	// "error" for the error's message; "details" for all details as JSON; and
	// "details." with a path for one of them, such as "details.order.sku". Those
	// of [AccessCSV] stand there. nil means [DefaultColumns], or [AccessColumns].
	Columns []string
	// Cells is what happens to cells that could be taken for formulas.
	Cells Cells
}

// DefaultColumns returns the columns that [CSV] writes when none are given.
func DefaultColumns() []string {
	return []string{"seq", "timestamp", "level", "kind", "server", "service", "project", "operation", "run", "step",
		"action", "attempt", "label", "message", "error", "error_code", "details"}
}

// CSV writes a header with the names of the columns and then one row for each
// record that seq yields, as RFC 4180 describes it but with lines that end in a
// newline alone. What a record does not have is an empty cell. Where a path
// leads to several values, in an array, they are joined by newlines. It returns
// how many records it wrote and the first error, of seq or of w; [ErrColumn]
// comes before anything is written. nil options are the defaults.
func CSV(w io.Writer, seq iter.Seq2[query.Record, error], options *CSVOptions) (int64, error) {
	var o CSVOptions
	if options != nil {
		o = *options
	}
	if o.Columns == nil {
		o.Columns = DefaultColumns()
	}
	for _, name := range o.Columns {
		if _, ok := new(row).cell(name); !ok {
			return 0, fmt.Errorf("%w %q", ErrColumn, name)
		}
	}

	t := newTable(w, o.Cells)
	if err := t.write(o.Columns); err != nil {
		return 0, err
	}
	cells := make([]string, len(o.Columns))
	return each(seq, t.flush, func(r query.Record) error {
		current := row{Record: r}
		if err := line.Parse(r.Raw, &current.parsed); err != nil {
			return fmt.Errorf("export: record %d: %w", r.Seq, err)
		}
		for i, name := range o.Columns {
			cells[i], _ = current.cell(name)
		}
		return t.write(cells)
	})
}

// table writes rows.
type table struct {
	plain *bufio.Writer // below out
	out   *csv.Writer
	cells Cells
	row   []string
}

func newTable(w io.Writer, cells Cells) *table {
	plain := bufio.NewWriterSize(w, bufferBytes)
	return &table{plain: plain, out: csv.NewWriter(plain), cells: cells}
}

func (t *table) write(cells []string) error {
	if len(cells) == 1 && cells[0] == "" {
		// package csv writes an empty line, which readers pass over.
		_, err := t.plain.WriteString("\"\"\n")
		return err
	}
	t.row = append(t.row[:0], cells...)
	if t.cells == SafeCells {
		for i := range t.row {
			t.row[i] = safe(t.row[i])
		}
	}
	return t.out.Write(t.row)
}

func (t *table) flush() error {
	t.out.Flush()
	return t.out.Error()
}

// safe takes the meaning of a formula from a cell.
func safe(cell string) string {
	if cell != "" && strings.IndexByte("=+-@\t\r\x00", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}

// row is a record whose cells are asked for.
type row struct {
	query.Record
	parsed line.Record
}

// detail is what the columns of single details begin with.
const detail = "details."

// cell returns what r has in a column, and whether there is such a column.
func (r *row) cell(column string) (string, bool) {
	if path, ok := strings.CutPrefix(column, detail); ok && path != "" {
		return r.detail(path), true
	}
	switch column {
	case "seq":
		return strconv.FormatUint(r.Seq, 10), true
	case "timestamp":
		return r.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"), true
	case "attempt":
		if r.Attempt == 0 {
			return "", true
		}
		return strconv.Itoa(r.Attempt), true
	case "message":
		return r.Message, true
	case "error":
		return r.ErrorMessage, true
	case "stack":
		return r.Stack, true
	case "truncated":
		return strconv.FormatBool(r.Truncated), true
	case "details":
		return string(r.parsed.Details), true
	}
	return r.Fixed(column)
}

// detail returns the text of the value at a path: that of its scalars, or JSON
// for an object.
func (r *row) detail(path string) string {
	if r.parsed.Details == nil {
		return ""
	}
	var texts []string
	line.Field(r.parsed.Details, path, func(text string) bool {
		texts = append(texts, text)
		return true
	})
	if len(texts) > 0 {
		return strings.Join(texts, "\n")
	}
	v, ok := r.Field(path)
	if !ok {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
