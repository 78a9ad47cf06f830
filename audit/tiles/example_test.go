package tiles_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/tiles"
)

// A trail as static files: any web server can serve them, and whoever has the key can
// check them with the clients of transparency logs.
func ExampleExport() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	trail, err := audit.Open(filepath.Join(dir, "logs"), nil)
	if err != nil {
		panic(err)
	}
	defer trail.Close()
	if _, err := trail.Record(context.Background(), audit.Entry{Event: audit.FlowDeleted, FlowID: "sync-prices"}); err != nil {
		panic(err)
	}
	text, err := trail.Key()
	if err != nil {
		panic(err)
	}
	key, err := note.NewVerifier(text)
	if err != nil {
		panic(err)
	}

	public := filepath.Join(dir, "public")
	exported, err := tiles.Export(context.Background(), filepath.Join(dir, "logs"), public)
	if err != nil {
		panic(err)
	}
	signed, err := os.ReadFile(filepath.Join(public, "checkpoint"))
	if err != nil {
		panic(err)
	}
	checkpoint, err := audit.OpenCheckpoint(signed, note.VerifierList(key))
	fmt.Println(checkpoint.Size, checkpoint.Root == exported.Root, err)
	for _, name := range []string{"tile/0/000.p/2", "tile/entries/000.p/2"} {
		_, err := os.Stat(filepath.Join(public, name))
		fmt.Println(name, err)
	}
	// Output:
	// 2 true <nil>
	// tile/0/000.p/2 <nil>
	// tile/entries/000.p/2 <nil>
}
