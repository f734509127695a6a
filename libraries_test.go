package rouse_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryLibraryIsExplained: docs/libraries.md says of each module that go.mod requires what it is for, and of no other.
func TestEveryLibraryIsExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/libraries.md")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+\.\S+/\S+|\S+\.net/\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		required[m[1]] = true
		if !strings.Contains(string(page), m[1]) {
			t.Errorf("docs/libraries.md does not say what %s is for", m[1])
		}
	}
	if len(required) < 15 {
		t.Errorf("only %d modules are found in go.mod", len(required))
	}
	for line := range strings.Lines(string(page)) {
		row, found := strings.CutPrefix(line, "| ")
		first, _, _ := strings.Cut(row, " |")
		if !found || !strings.Contains(first, "/") {
			continue
		}
		for module := range strings.SplitSeq(first, ", ") {
			if !required[module] {
				t.Errorf("docs/libraries.md explains %s, which go.mod does not require", module)
			}
		}
	}
}
