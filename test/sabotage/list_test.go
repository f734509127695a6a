package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
