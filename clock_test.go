package rouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wallClock are the methods that turn a time into one of the wall clock, which may jump by years, and where each may be
// used: for what other processes, or people, read or have written.
var wallClock = map[string][]string{
	"UnixNano":  {"trace/", "otlp/"},
	"UnixMilli": {"trace/"},
	"UnixMicro": {"config/fingerprint.go", "history/", "metrics/"},
	"Round":     {"gate/budget.go", "state/state.go", "driver/exec/leftover.go", "driver/exec/keeper.go", "trace/"},
	"UTC":       {"state/", "trace/"},
	"Local":     {"app/", "admin/daemon.go", "report/", "top/"},
}

// TestNothingIsDecidedByTheWallClock: a duration is measured on the clock that only runs forward. A time loses its reading of
// that clock by the methods above.
func TestNothingIsDecidedByTheWallClock(t *testing.T) {
	err := filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), "internal/")
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && losesMonotonic(method.Sel.Name, call) &&
				!slices.ContainsFunc(wallClock[method.Sel.Name], func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				t.Errorf("%s calls %s: if a time may jump there, say so in this test", path, method.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// losesMonotonic says whether the call may be one of the methods. Of Round only Round(0) is.
func losesMonotonic(name string, call *ast.CallExpr) bool {
	if _, listed := wallClock[name]; !listed {
		return false
	}
	if name != "Round" {
		return len(call.Args) == 0
	}
	zero, ok := call.Args[0].(*ast.BasicLit)
	return ok && zero.Value == "0"
}
