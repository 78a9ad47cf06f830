// Command genlogs writes a folder of workflow logs through the library, the same
// each time.
//
//	go run ./genlogs -dir /data/logs -n 4000000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/logger"
)

func main() {
	dir := flag.String("dir", "", "folder to write, which must not be there yet")
	n := flag.Int("n", 4_000_000, "lines to log")
	flag.Parse()
	if *dir == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*dir, *n); err != nil {
		fmt.Fprintln(os.Stderr, "genlogs:", err)
		os.Exit(1)
	}
}

func run(dir string, n int) error {
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	start := time.Now()
	d, err := workflow.Write(context.Background(), dir, n, logger.Options{})
	if err != nil {
		return err
	}
	fmt.Printf("%d lines of %d runs in %v\n", d.Records, d.Runs, time.Since(start).Round(time.Millisecond))
	files, err := filepath.Glob(filepath.Join(dir, "*.log*"))
	if err != nil {
		return err
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		fmt.Printf("%12d %s\n", info.Size(), filepath.Base(name))
	}
	return nil
}
