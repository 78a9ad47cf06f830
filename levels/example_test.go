package levels_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/steplog/steplog/levels"
)

func ExampleParse() {
	l, err := levels.Parse("WARNING")
	fmt.Println(levels.Name(l), err)
	_, err = levels.Parse("loud")
	fmt.Println(err)
	// Output:
	// warn <nil>
	// levels: unknown level "loud"
}

func ExampleSet() {
	var every levels.Set
	fmt.Println(every)
	fmt.Println(levels.AtLeast(levels.Warn))
	fmt.Println(levels.Of(levels.Debug, levels.Error))
	fmt.Println(levels.Of(levels.Info).Has(levels.Warn))
	// Output:
	// trace,debug,info,warn,error,fatal
	// warn,error,fatal
	// debug,error
	// false
}

func ExampleTree() {
	ctx := context.Background()
	tree := levels.NewTree(levels.Info, nil)
	fetch := tree.At(levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices", Action: "fetch"})

	tree.SetLines(ctx, levels.Scope{Server: "edge-1"}, false)
	fmt.Println(fetch.Enabled(levels.Error))

	operation := levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices"}
	tree.SetLines(ctx, operation, true)
	tree.SetLevel(ctx, operation, levels.Debug)
	fmt.Println(fetch.Enabled(levels.Debug))

	tree.Reset(ctx, operation)
	fmt.Println(fetch.Enabled(levels.Error))
	// Output:
	// false
	// true
	// false
}

func ExampleNewTree() {
	tree := levels.NewTree(levels.Warn, func(_ context.Context, c levels.Change) {
		fmt.Println(c.Scope.Server, levels.Name(*c.Level))
	})
	tree.SetLevel(context.Background(), levels.Scope{Server: "edge-1"}, levels.Debug)
	fmt.Println(levels.Name(tree.Effective(levels.Scope{}).Level))
	// Output:
	// edge-1 debug
	// warn
}

func ExampleTree_MarshalJSON() {
	tree := new(levels.Tree)
	tree.SetLevel(context.Background(), levels.Scope{Server: "edge-1", Service: "orders"}, levels.Debug)
	saved, _ := json.Marshal(tree)
	fmt.Println(string(saved))

	restored := new(levels.Tree)
	fmt.Println(json.Unmarshal(saved, restored))
	for scope, setting := range restored.All() {
		fmt.Println(scope.Service, levels.Name(setting.Level))
	}
	// Output:
	// {"settings":[{"server":"edge-1","service":"orders","level":"debug"}]}
	// <nil>
	// orders debug
}
