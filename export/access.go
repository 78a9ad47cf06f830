package export

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"github.com/steplog/steplog/audit/access"
)

// AccessColumns returns the columns that [AccessCSV] writes when none are given.
func AccessColumns() []string {
	return []string{"seq", "timestamp", "account", "tenant", "ip", "ip_from", "country", "city", "network", "method", "path", "query",
		"host", "protocol", "status", "bytes", "duration_ns", "user_agent", "referrer", "request", "memo", "attributes",
		"aborted", "panic", "hijacked"}
}

// AccessCSV writes requests as [CSV] writes records: a header and then one row
// for each that seq yields, such as query.Engine.AllAccess does. Columns are the
// keys under which a request is stored, see [AccessColumns], "peer" and
// "timestamp" among them; "attributes" for all attributes as JSON, and
// "attributes." with a name for one of them. It returns how many requests it
// wrote and the first error, of seq or of w; [ErrColumn] comes before anything is
// written. nil options are the defaults.
func AccessCSV(w io.Writer, seq iter.Seq2[access.Record, error], options *CSVOptions) (int64, error) {
	var o CSVOptions
	if options != nil {
		o = *options
	}
	if o.Columns == nil {
		o.Columns = AccessColumns()
	}
	for _, name := range o.Columns {
		if _, ok := accessCell(&access.Record{}, name); !ok {
			return 0, fmt.Errorf("%w %q", ErrColumn, name)
		}
	}
	t := newTable(w, o.Cells)
	if err := t.write(o.Columns); err != nil {
		return 0, err
	}
	cells := make([]string, len(o.Columns))
	return each(seq, t.flush, func(r access.Record) error {
		for i, name := range o.Columns {
			cells[i], _ = accessCell(&r, name)
		}
		return t.write(cells)
	})
}

// attribute is what the columns of single attributes begin with.
const attribute = "attributes."

// accessCell returns what r has in a column, and whether there is such a column.
func accessCell(r *access.Record, column string) (string, bool) {
	if name, ok := strings.CutPrefix(column, attribute); ok && name != "" {
		return r.Attributes[name], true
	}
	switch column {
	case "seq":
		return strconv.FormatUint(r.Seq, 10), true
	case "timestamp":
		return r.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"), true
	case "account":
		return r.Account, true
	case "tenant":
		return r.Tenant, true
	case "ip":
		return addressCell(r.IP), true
	case "ip_from":
		return r.IPFrom, true
	case "peer":
		return addressCell(r.Peer), true
	case "country":
		return r.Origin.Country, true
	case "city":
		return r.Origin.City, true
	case "network":
		return r.Origin.Network, true
	case "method":
		return r.Method, true
	case "path":
		return r.Path, true
	case "query":
		return r.Query, true
	case "host":
		return r.Host, true
	case "protocol":
		return r.Protocol, true
	case "status":
		return strconv.Itoa(r.Status), true
	case "bytes":
		return strconv.FormatInt(r.Bytes, 10), true
	case "duration_ns":
		return strconv.FormatInt(int64(r.Duration), 10), true
	case "user_agent":
		return r.UserAgent, true
	case "referrer":
		return r.Referrer, true
	case "request":
		return r.RequestID, true
	case "memo":
		return r.Memo, true
	case "attributes":
		return attributesCell(r.Attributes), true
	case "aborted":
		return strconv.FormatBool(r.Aborted), true
	case "panic":
		return strconv.FormatBool(r.Panic), true
	case "hijacked":
		return strconv.FormatBool(r.Hijacked), true
	}
	return "", false
}

// addressCell is empty for an address that is not known.
func addressCell(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// attributesCell is empty for no attributes.
func attributesCell(all map[string]string) string {
	if len(all) == 0 {
		return ""
	}
	text, _ := json.Marshal(all) // strings always can be
	return string(text)
}
