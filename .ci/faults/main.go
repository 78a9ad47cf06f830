// Command faults puts one fault at a time into a copy of the tree and runs the
// tests that must notice. A fault that no test notices is a hole in the tests.
//
//	go run . [-only REGEXP] [-tree FOLDER]
//
// The tests run once without a fault first, and must pass. Of each fault it says
// which test caught it, and in how many seconds. The exit status is 1 when one was
// not caught, when its text was not found in the source, exactly once, or when
// what came of it does not compile: a list that is out of date proves nothing.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	tree := flag.String("tree", filepath.Join("..", ".."), "the tree to copy")
	only := flag.String("only", "", "only the faults whose names match this regular expression")
	flag.Parse()
	// The copy is removed when the program is interrupted, too.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *tree, *only); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, tree, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !wanted.MatchString(f.name) })
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyTree(tree, dir); err != nil {
		return err
	}
	// All texts are looked for before minutes are spent.
	var wrong []error
	for _, f := range list {
		if _, _, _, err := f.apply(dir); err != nil {
			wrong = append(wrong, err)
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	began := time.Now()
	if err := withoutFaults(ctx, dir, list); err != nil {
		return err
	}
	fmt.Printf("%d faults; without any the tests pass, in %.0f s\n", len(list), time.Since(began).Seconds())
	missed := 0
	for _, f := range list {
		from := time.Now()
		caught, err := f.try(ctx, dir)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			missed++
			fmt.Printf("%s: %v\n", f.name, err)
			continue
		}
		if caught == "" {
			missed++
			fmt.Printf("%-62s NOT CAUGHT by %s of %s in %.1f s\n", f.name+":", f.run, f.pkg, time.Since(from).Seconds())
			continue
		}
		fmt.Printf("%-62s caught by %s in %.1f s\n", f.name+":", caught, time.Since(from).Seconds())
	}
	fmt.Printf("%d of %d faults caught, in %.0f s\n", len(list)-missed, len(list), time.Since(began).Seconds())
	if missed > 0 {
		return fmt.Errorf("%d not caught", missed)
	}
	return nil
}

// copyTree copies the module, without the folders whose names begin with a dot
// and without other modules.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		}
		if !d.Type().IsRegular() || strings.HasPrefix(name, "go.work") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o600)
	})
}

// apply returns the file that a fault is for, as it is and as the fault makes it.
func (f fault) apply(dir string) (path string, sound, faulty []byte, err error) {
	names, err := filepath.Glob(filepath.Join(dir, f.source, "*.go"))
	if err != nil {
		return "", nil, nil, err
	}
	times := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return "", nil, nil, err
		}
		if n := bytes.Count(content, []byte(f.old)); n > 0 {
			times += n
			path, sound = name, content
		}
	}
	if times != 1 {
		return "", nil, nil, fmt.Errorf("%s: %s holds this text %d times, not once: %q", f.name, f.source, times, f.old)
	}
	return path, sound, bytes.Replace(sound, []byte(f.old), []byte(f.new), 1), nil
}

// try runs the tests of a fault with it in place, and returns the name of the
// test that caught it, "" for none.
func (f fault) try(ctx context.Context, dir string) (caught string, err error) {
	path, sound, faulty, err := f.apply(dir)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, faulty, 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, sound, 0o600)) }()
	output, err := test(ctx, dir, f.pkg, f.run)
	if err == nil {
		return "", nil
	}
	return blame(output)
}

// withoutFaults runs the tests of all faults on the sound tree.
func withoutFaults(ctx context.Context, dir string, list []fault) error {
	byPkg := map[string][]string{}
	for _, f := range list {
		if !slices.Contains(byPkg[f.pkg], f.run) {
			byPkg[f.pkg] = append(byPkg[f.pkg], f.run)
		}
	}
	for pkg, runs := range byPkg {
		for _, r := range runs {
			if output, err := test(ctx, dir, pkg, r); err != nil {
				return fmt.Errorf("without a fault: %s of %s: %w\n%s", r, pkg, err, output)
			}
		}
	}
	return nil
}

// timeLimit is for one run of tests: a fault may well make one wait for ever.
const timeLimit = 2 * time.Minute

var noTests = []byte("[no tests to run]")

func test(ctx context.Context, dir, pkg, run string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-failfast", "-vet=off", fmt.Sprint("-timeout=", timeLimit), "-run", run, "./"+pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if bytes.Contains(output, noTests) {
		return output, fmt.Errorf("%s names no test of %s", run, pkg)
	}
	return output, err
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	hungTest   = regexp.MustCompile(`(?m)^\s*(Test\S+) \(\S+\)$`)
	inTest     = regexp.MustCompile(`_test\.(Test\w+)`)
)

// blame finds the test that failed in what go test printed.
func blame(output []byte) (string, error) {
	switch {
	case bytes.Contains(output, noTests):
		return "", errors.New("the tests are gone")
	case bytes.Contains(output, []byte("[build failed]")), bytes.Contains(output, []byte("[setup failed]")):
		return "", fmt.Errorf("it does not compile:\n%s", output)
	case bytes.Contains(output, []byte("panic: test timed out")):
		if m := hungTest.FindSubmatch(output); m != nil {
			return string(m[1]) + " (it hangs)", nil
		}
	}
	if all := failedTest.FindAllSubmatch(output, -1); all != nil {
		// The parent comes first, the failing subtests after it.
		return string(all[len(all)-1][1]), nil
	}
	if m := inTest.FindSubmatch(output); m != nil {
		return string(m[1]) + " (panic)", nil
	}
	if bytes.Contains(output, []byte("panic:")) || bytes.Contains(output, []byte("goleak")) || bytes.Contains(output, []byte("fatal error")) {
		return "its process (panic)", nil
	}
	return "", fmt.Errorf("neither passed nor failed:\n%s", output)
}
