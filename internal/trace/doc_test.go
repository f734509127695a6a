package trace

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rouse-proxy/rouse/internal/event"
)

// documented returns the `words` in the first column of the table under a heading of docs/trace.md.
func documented(t *testing.T, heading string) []string {
	t.Helper()
	b, err := os.ReadFile("../../docs/trace.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/trace.md has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var words []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.Contains(cells[1], "---") {
			continue
		}
		for word := range strings.SplitSeq(cells[1], ",") {
			words = append(words, strings.Trim(word, " `"))
		}
	}
	slices.Sort(words)
	return words[:len(words):len(words)]
}

// expect compares what is documented, the heading of the table apart, with what there is.
func expect(t *testing.T, heading, column string, want []string) {
	t.Helper()
	slices.Sort(want)
	got := slices.DeleteFunc(documented(t, heading), func(w string) bool { return w == column })
	if !slices.Equal(got, want) {
		t.Errorf("docs/trace.md has under %q\n%q\nthere are\n%q", heading, got, want)
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Line]()) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "-" {
			keys = append(keys, key)
		}
	}
	expect(t, "Keys", "key", keys)
}

func TestEveryKindIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../event/event.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{string(kindLost), string(kindPaused), string(kindReloaded)}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Kind = "([^"]+)"`).FindAllStringSubmatch(string(b), -1) {
		kinds = append(kinds, m[1])
	}
	if !slices.Contains(kinds, string(event.ClientServed)) {
		t.Fatalf("no kinds of events found: %q", kinds)
	}
	expect(t, "Kinds", "kind", kinds)
}

func TestEveryRuleIsDocumented(t *testing.T) {
	var names []string
	for _, r := range Rules() {
		names = append(names, r.Name)
	}
	expect(t, "Rules", "rule", names)
}
