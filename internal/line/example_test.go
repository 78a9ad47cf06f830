package line_test

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
)

func Example() {
	m := mask.New(nil)
	e := line.NewEncoder(line.Options{Mask: m})
	id := line.AppendIdentity(nil, &line.Identity{Server: "edge-1", Service: "orders"})
	bound := e.With(nil, []zap.Field{zap.String("sku", "A-1")})

	raw := line.AppendPrefix(nil, 48213)
	raw = e.Append(raw, &line.Entry{
		Time: time.Date(2026, 11, 21, 2, 3, 4, 123456789, time.UTC), Kind: line.KindEvent,
		Identity: id, Context: bound, Message: "fetched",
	}, []zap.Field{zap.Int("rows", 42), zap.String("api_key", "k"), zap.Error(errors.New("reset"))})
	fmt.Println(string(raw))

	var r line.Record
	if err := line.Parse(raw, &r); err != nil {
		fmt.Println(err)
	}
	fmt.Println(r.Seq, r.Server, r.Message, r.ErrorMessage)
	line.Field(r.Details, "rows", func(scalar string) bool {
		fmt.Println(scalar)
		return true
	})
	// Output:
	// {"seq":48213,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"info","kind":"event","server":"edge-1","service":"orders","message":"fetched","error":{"message":"reset"},"details":{"sku":"A-1","rows":42,"api_key":"***"}}
	// 48213 edge-1 fetched reset
	// 42
}
