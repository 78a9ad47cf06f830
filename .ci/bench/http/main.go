// Command http measures the HTTP API under load: a child process serves a folder
// of workflow records, and this one asks it over many connections, at a rate,
// as fast as it answers, and for everything at once.
//
//	go run ./http -n 1000000 -for 60s
//
// In the open loop a question is due at its time, whatever became of those before
// it, and its latency counts from then. A program that asks again only when it
// has an answer measures a slow server with fewer questions.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/steplog/steplog/ci/bench/machine"
	"github.com/steplog/steplog/ci/bench/workflow"
	"github.com/steplog/steplog/logger"
)

// settings are the flags.
type settings struct {
	dir         string
	records     int
	lasts       time.Duration
	rate        int
	connections int
	profile     string
	only        string
}

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "", "folder that genlogs wrote; a new one is written when empty")
	flag.IntVar(&s.records, "n", 1_000_000, "lines to write")
	flag.DurationVar(&s.lasts, "for", time.Minute, "how long each load lasts")
	flag.IntVar(&s.rate, "rate", 300, "questions a second of the open loop")
	flag.IntVar(&s.connections, "connections", 200, "connections, and clients of the closed loop")
	flag.StringVar(&s.profile, "profile", "", "`file` for a CPU profile of the server")
	flag.StringVar(&s.only, "only", "", "parts to run, with commas between: alone, overhead, open, closed, export; all when empty")
	served := flag.String("serve", "", "serve a folder until the input ends; for the program itself")
	flag.Parse()
	var err error
	if *served != "" {
		err = serve(*served, s.profile)
	} else {
		err = run(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.dir == "" {
		tmp, err := os.MkdirTemp("", "steplog-http-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		s.dir = filepath.Join(tmp, "logs")
		if _, err := workflow.Write(ctx, s.dir, s.records, logger.Options{}); err != nil {
			return err
		}
	}
	fmt.Println(machine.Describe(s.dir))
	c, err := start(s)
	if err != nil {
		return err
	}
	l := load{settings: s, url: c.url, memory: c.memory}
	err = l.all()
	if end := c.stop(); err == nil {
		err = end
	}
	return err
}

// child is the process that serves.
type child struct {
	url   string
	input interface{ Close() error }
	cmd   *exec.Cmd
}

// start runs this program again as the server.
func start(s settings) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(program, "-serve", s.dir, "-profile", s.profile)}
	c.cmd.Stderr = os.Stderr
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not begin: %w", c.stop())
	}
	c.url = strings.TrimSpace(line)
	return c, nil
}

// stop ends the server.
func (c *child) stop() error {
	_ = c.input.Close() // that is how it is told
	return c.cmd.Wait()
}

// memory is what the server holds that is its own, in bytes: without pages of
// files that it has mapped.
func (c *child) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "RssAnon:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("the system does not say what process %d holds", c.cmd.Process.Pid)
}
