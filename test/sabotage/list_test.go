package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAMutationWithoutAKnownCatcherMeetsAllTests: a run of no tests would notice nothing.
func TestAMutationWithoutAKnownCatcherMeetsAllTests(t *testing.T) {
	for name, c := range map[string]struct {
		all     bool
		catcher string
		want    string
	}{
		"not known": {},
		"known":     {catcher: "TestX", want: "-run=^(TestX)$"},
		"all":       {catcher: "TestX", all: true},
	} {
		args := strings.Join(runner{all: c.all}.args("o", mutation{file: "internal/target/door.go", catcher: c.catcher}), " ")
		if strings.Contains(args, "-run") != (c.want != "") || !strings.Contains(args, c.want) || !strings.HasSuffix(args, " ./internal/target") {
			t.Errorf("%s: go %s", name, args)
		}
	}
}

// TestEveryMutationFits: each guard stands where the list says, once, and the list has as many as were promised.
func TestEveryMutationFits(t *testing.T) {
	if len(mutations) < 40 {
		t.Errorf("%d mutations, want 40 or more", len(mutations))
	}
	for _, m := range mutations {
		source, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.file)))
		if err != nil {
			t.Errorf("%s: %v", m.guard, err)
			continue
		}
		if n := strings.Count(string(source), m.old); n != 1 || m.old == m.new {
			t.Errorf("%s: what is to be broken stands in %s %d times", m.guard, m.file, n)
		}
	}
}
