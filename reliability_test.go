package rouse_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// firstPriority are the faults that RELIABILITY.md must speak of.
var firstPriority = strings.Fields(`A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A12 A16 B1 B2 B4 B7 B9 C1 C2 C3 C4 C5 C6 C7 C8 C9
	D1 D2 D3 D4 D5 D7 D9 D10 D11 E1 E2 E3 E4 E5 F1 F2 F3 G1 G2 G3 H1 H2 H3 H4 I1 I2 I3 J1 J2 J3 J4 K1 K2 K3 K4 L1 L2`)

// numbered returns a letter with the numbers from 1 to n.
func numbered(letter string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint(letter, i+1))
	}
	return ids
}

var (
	comment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	testName = regexp.MustCompile("`([a-z/_]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)(?:/([^`]+))?`")
	reason   = regexp.MustCompile(`^none: .{20,}`)
)

// reliability reads a section of RELIABILITY.md, or all of it, without its comments.
func reliability(t *testing.T, section string) string {
	t.Helper()
	data, err := os.ReadFile("RELIABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	text := comment.ReplaceAllString(string(data), "")
	if section == "" {
		return text
	}
	_, after, found := strings.Cut(text, "\n## "+section+"\n")
	if !found {
		t.Fatalf("RELIABILITY.md has no section %q", section)
	}
	text, _, _ = strings.Cut(after, "\n## ")
	return text
}

// rows returns the cells of a section's table, without its head.
func rows(t *testing.T, section string) (table [][]string) {
	t.Helper()
	for line := range strings.Lines(reliability(t, section)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		table = append(table, cells)
	}
	if len(table) < 3 {
		t.Fatalf("section %q of RELIABILITY.md has no table", section)
	}
	for _, cells := range table[2:] {
		if len(cells) != len(table[0]) {
			t.Errorf("section %q: a row has %d cells, its head %d: %q", section, len(cells), len(table[0]), cells)
		}
	}
	return table[2:]
}

// TestEveryPromiseHasItsGuard: each row names tests, or says why there is none.
func TestEveryPromiseHasItsGuard(t *testing.T) {
	for section, want := range map[string][]string{
		"Faults of first priority": firstPriority,
		"Races":                    numbered("R", 25),
		"Always true":              append(numbered("S", 10), numbered("L", 7)...),
		"Track record":             nil,
	} {
		var ids []string
		for _, cells := range rows(t, section) {
			ids = append(ids, cells[0])
			guard := cells[len(cells)-1]
			if !testName.MatchString(guard) && !reason.MatchString(guard) {
				t.Errorf("%s, %s: %q is neither a test nor a reason why there is none", section, cells[0], guard)
			}
		}
		if want != nil && !slices.Equal(ids, want) {
			t.Errorf("%s: the rows are %q\nwant each of %q once, in this order", section, ids, want)
		}
	}
}

// TestEveryTestThatIsNamedExists, also where a case of it is named.
func TestEveryTestThatIsNamedExists(t *testing.T) {
	named := testName.FindAllStringSubmatch(reliability(t, ""), -1)
	if len(named) < 100 {
		t.Fatalf("only %d tests are named: the pattern is broken", len(named))
	}
	known := map[string]*testPackage{}
	for _, m := range named {
		dir, name, part := m[1], m[2], m[3]
		if known[dir] == nil {
			known[dir] = parseTests(t, dir)
		}
		switch p := known[dir]; {
		case !p.tests[name]:
			t.Errorf("%s: there is no such test", m[0])
		case part != "" && !p.hasCase(name, part):
			t.Errorf("%s: the test has no such case", m[0])
		}
	}
}

// A testPackage is what the tests of one package are called.
type testPackage struct {
	dir     string
	tests   map[string]bool
	strings map[string]bool // every string in them: names of cases among them
}

// parseTests reads the tests of a package, named without internal/.
func parseTests(t *testing.T, name string) *testPackage {
	t.Helper()
	p := &testPackage{dir: filepath.FromSlash(name), tests: map[string]bool{}, strings: map[string]bool{}}
	if name == "rouse_test" {
		p.dir = "."
	} else if _, err := os.Stat(p.dir); err != nil {
		p.dir = filepath.Join("internal", p.dir)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("package %s has no tests: %v", name, err)
	}
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.read(f)
	}
	return p
}

func (p *testPackage) read(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil {
				p.tests[n.Name.Name] = true
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				p.strings[text] = true
			}
		}
		return true
	})
}

// hasCase says whether a case is in the table of a test, or a file in the corpus of a fuzz target.
func (p *testPackage) hasCase(name, part string) bool {
	_, err := os.Stat(filepath.Join(p.dir, "testdata", "fuzz", name, part))
	return err == nil || p.strings[part] || p.strings[strings.ReplaceAll(part, "_", " ")]
}

// TestEveryFuzzTargetHasItsCorpus: what a fuzzer has learnt is in the repository, and run as a test.
func TestEveryFuzzTargetHasItsCorpus(t *testing.T) {
	const least = 8
	dirs := map[string]bool{}
	for _, pattern := range []string{"internal/*/*_test.go", "internal/*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			dirs[filepath.ToSlash(filepath.Dir(path))] = true
		}
	}
	targets := 0
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		for name := range parseTests(t, strings.TrimPrefix(dir, "internal/")).tests {
			if !strings.HasPrefix(name, "Fuzz") {
				continue
			}
			targets++
			if seeds, _ := os.ReadDir(filepath.Join(dir, "testdata", "fuzz", name)); len(seeds) < least {
				t.Errorf("%s of %s has %d seeds in the repository, want %d or more", name, dir, len(seeds), least)
			}
		}
	}
	if targets < 8 {
		t.Errorf("%d fuzz targets were found: the search is broken", targets)
	}
}
