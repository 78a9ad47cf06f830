// Package imports_test keeps the packages of the module in their order: each
// may import only those that stand above it. The test opens the files itself,
// because one that asks the go command is served stale from the test cache.
package imports_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/steplog/steplog"

// order is every package of the module. A new package gets its place here in the
// change that adds it. What ends in /... is a folder of programs that do not import
// each other; the packages of one may.
var order = []string{
	"internal/imports",
	"internal/leak",
	"levels",
	"internal/age",
	"internal/wire",
	"internal/vfs",
	"internal/vfs/vfstest",
	"internal/mask",
	"internal/line",
	"internal/runs",
	"internal/block",
	"rotation",
	"internal/segment",
	"internal/tables",
	"internal/journal",
	"audit",
	"audit/tiles",
	"audit/access",
	"query",
	"internal/document",
	"query/querytest/oracle",
	"query/querytest",
	"export",
	"export/otlp",
	"export/archive",
	"export/archive/archivetest",
	"logger",
	"logger/loggertest",
	"query/httpapi",
	"examples/...",
}

// apart lists the packages that must not see what they check: the oracle reads
// the text with encoding/json, and would otherwise share the mistakes of the
// parser and the planner.
var apart = []string{"query/querytest/oracle", "query/querytest"}

// place is the position of a package in order, -1 when it has none.
func place(pkg string) int {
	return slices.IndexFunc(order, func(o string) bool {
		dir, many := strings.CutSuffix(o, "/...")
		return o == pkg || many && strings.HasPrefix(pkg, dir+"/")
	})
}

// program is the folder below an entry that ends in /..., with that entry:
// "examples/engine" of "examples/engine/flow". It is empty elsewhere.
func program(pkg string) string {
	i := place(pkg)
	if i < 0 || !strings.HasSuffix(order[i], "/...") {
		return ""
	}
	top := strings.TrimSuffix(order[i], "...")
	first, _, _ := strings.Cut(strings.TrimPrefix(pkg, top), "/")
	return top + first
}

// source is one Go file that is not a test.
type source struct {
	pkg, file string
	imports   []string
}

// sources reads the import lines of every Go file of the root module outside
// tests. Folders that begin with a dot or an underscore, testdata and nested
// modules are not part of it.
func sources(t *testing.T, root string) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "." {
				return nil
			}
			base := path.Base(rel)
			_, nested := os.Stat(filepath.Join(name, "go.mod"))
			if base[0] == '.' || base[0] == '_' || base == "testdata" || nested == nil {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		s := source{pkg: path.Dir(rel), file: rel}
		if !strings.HasSuffix(rel, "_test.go") {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, i := range f.Imports {
				p, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return fmt.Errorf("%s: %w", rel, err)
				}
				s.imports = append(s.imports, p)
			}
		}
		found = append(found, s)
		return nil
	})
	require.NoError(t, err)
	return found
}

func TestOrder(t *testing.T) {
	files := sources(t, "../..")
	require.NotEmpty(t, files)
	there := map[int]bool{}
	for _, s := range files {
		if s.pkg == "." {
			t.Errorf("%s: no Go file stands in the root", s.file)
			continue
		}
		mine := place(s.pkg)
		there[mine] = true
		if mine < 0 {
			t.Errorf("%s: package %s has no place in the order", s.file, s.pkg)
			continue
		}
		for _, i := range s.imports {
			if i == module {
				t.Errorf("%s imports the root, which holds no package", s.file)
			}
			pkg, ours := strings.CutPrefix(i, module+"/")
			if !ours {
				continue
			}
			switch its := place(pkg); {
			case program(pkg) != "" && program(pkg) == program(s.pkg):
			case its < 0:
				t.Errorf("%s imports %s, which has no place in the order", s.file, pkg)
			case its >= mine:
				t.Errorf("%s imports %s, which does not stand above %s", s.file, pkg, s.pkg)
			}
		}
	}
	for i, o := range order {
		if !there[i] {
			t.Errorf("%s has a place in the order and no Go file", o)
		}
	}
}

func TestApart(t *testing.T) {
	for _, s := range sources(t, "../..") {
		if !slices.Contains(apart, s.pkg) {
			continue
		}
		for _, i := range s.imports {
			if strings.HasPrefix(i, module+"/internal/") {
				t.Errorf("%s imports %s: it has to read the text by itself", s.file, i)
			}
		}
	}
}

// TestPlaces checks the check.
func TestPlaces(t *testing.T) {
	require.Negative(t, place("util"))
	require.Negative(t, place("examples"))
	require.Negative(t, place("levels/deeper"))
	require.Equal(t, place("examples/engine"), place("examples/other"))
	require.Less(t, place("levels"), place("query"))
	require.Equal(t, "examples/engine", program("examples/engine/flow"))
	require.Empty(t, program("logger/loggertest"))
	seen := map[string]bool{}
	for _, o := range order {
		require.False(t, seen[o], o)
		seen[o] = true
	}
}
