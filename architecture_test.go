// Package rouse_test keeps ARCHITECTURE.md true: the import table, the package
// docs, and the rules about names.
package rouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/rouse-proxy/rouse/"
	internal = module + "internal/"
)

// pkg is what the code says of one package.
type pkg struct {
	imports  []string // of ours, without the module's path; tests excluded
	external []string // modules that are neither ours nor the standard library
	doc      bool
	files    int
}

// packages reads every package of the module.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return skip(err)
		}
		if top, _, _ := strings.Cut(filepath.ToSlash(path), "/"); !d.IsDir() && top != "cmd" && top != "internal" {
			return nil // examples and tests of the whole are not part of the house
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "internal/")
		if all[name] == nil {
			all[name] = &pkg{}
		}
		all[name].add(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func skip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

func (p *pkg) add(f *ast.File) {
	p.files++
	p.doc = p.doc || f.Doc != nil
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		switch {
		case strings.HasPrefix(path, internal):
			p.imports = append(p.imports, strings.TrimPrefix(path, internal))
		case strings.Contains(strings.SplitN(path, "/", 2)[0], "."):
			p.external = append(p.external, path)
		}
	}
	slices.Sort(p.imports)
	p.imports = slices.Compact(p.imports)
}

// importTable reads the table under "## Imports": package name to what it may import.
func importTable(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "## Imports\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("ARCHITECTURE.md has no section on imports")
	}
	table := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		var may []string
		for name := range strings.SplitSeq(cells[3], ",") {
			if name = strings.TrimSpace(name); name != "–" {
				may = append(may, name)
			}
		}
		slices.Sort(may)
		table[strings.Trim(strings.TrimSpace(cells[1]), "`")] = may
	}
	return table
}

func TestImportTableIsTrue(t *testing.T) {
	table, code := importTable(t), packages(t)
	for name, p := range code {
		may, listed := table[name]
		switch {
		case !listed:
			t.Errorf("package %s is not in the import table of ARCHITECTURE.md", name)
		case !slices.Equal(p.imports, may):
			t.Errorf("package %s imports %v, the table says %v", name, p.imports, may)
		}
	}
	for name := range table {
		if code[name] == nil {
			t.Errorf("the import table lists %s, which does not exist", name)
		}
	}
}

func TestEveryPackageHasItsDoc(t *testing.T) {
	for name, p := range packages(t) {
		if !p.doc {
			t.Errorf("package %s has no package doc", name)
		}
	}
}

func TestNoPackageOfOddsAndEnds(t *testing.T) {
	for name := range packages(t) {
		base := name[strings.LastIndex(name, "/")+1:]
		if slices.Contains([]string{"util", "utils", "common", "types", "models", "core", "manager", "service", "helpers"}, base) {
			t.Errorf("a package called %s says nothing of what it does", base)
		}
	}
}

// TestTestsOnlyPackagesStayThere: they must never be in the program.
func TestTestsOnlyPackagesStayThere(t *testing.T) {
	only := []string{"memnet", "fakecloud", "fakecloud/remote"}
	for name, p := range packages(t) {
		for _, tests := range only {
			if slices.Contains(p.imports, tests) && !slices.Contains(only, name) {
				t.Errorf("package %s imports %s outside its tests", name, tests)
			}
		}
	}
}

// TestHeavyDependenciesStandAtTheRim: which package may import which module.
func TestHeavyDependenciesStandAtTheRim(t *testing.T) {
	allowed := map[string][]string{
		"cmd/rouse":   {"github.com/spf13/", "github.com/lmittmann/tint", "golang.org/x/sys/", "golang.org/x/term"},
		"config":      {"go.yaml.in/yaml/v4"},
		"history":     {"modernc.org/sqlite"},
		"top":         {"charm.land/bubbletea/v2", "charm.land/lipgloss/v2"},
		"notify":      {"github.com/cenkalti/backoff/v5", "github.com/wneessen/go-mail"},
		"metrics":     {"github.com/prometheus/client_golang/"},
		"target":      {"github.com/cenkalti/backoff/v5", "golang.org/x/sys/"},
		"state":       {"github.com/gofrs/flock", "golang.org/x/sys/"},
		"peek":        {"golang.org/x/sys/"},
		"probe":       {"golang.org/x/sys/"},
		"loop":        {"golang.org/x/sys/"},
		"relay":       {"golang.org/x/sys/"},
		"proxy":       {"golang.org/x/sys/"},
		"driver/exec": {"golang.org/x/sys/"},
		"shape":       {"golang.org/x/crypto/cryptobyte"},
		"proxyproto":  {"github.com/pires/go-proxyproto"},
		"schedule":    {"github.com/netresearch/go-cron"},
		"gate":        {"github.com/gaissmai/bart", "golang.org/x/time/rate", "github.com/hashicorp/golang-lru/v2"},

		"fakecloud/remote": {"golang.org/x/sys/"},
		"trace":            {"golang.org/x/sys/"},
	}
	for name, p := range packages(t) {
		for _, path := range p.external {
			fits := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
			if !slices.ContainsFunc(allowed[name], fits) {
				t.Errorf("package %s imports %s", name, path)
			}
		}
	}
}
