package config

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

func FuzzFromFiles(f *testing.F) {
	for _, seed := range []string{lab, goodListener, "a: &a [*a]", "targets: {? [a]: b}", "%YAML 1.2\n---\n- !!binary x", "listeners:\n- listen: 1-65535\n  target: ${A:-b}\n",
		"targets:\n  a:\n    hooks:\n      env: {A: {file: /good}, <<: *x}\n", "\xef\xbb\xbf{}", "? |\n  x\n: >-\n  y\n", "\xff", "a: \"\\xff\\u2028\""} {
		f.Add([]byte(seed))
	}
	if archive, err := txtar.ParseFile(wrongFiles); err == nil {
		for i := 0; i < len(archive.Files); i += 2 {
			base, _, _ := strings.Cut(archive.Files[i].Name, "/")
			f.Add([]byte(around(base, string(archive.Files[i].Data))))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		loaded, err := FromFiles([]Source{{Name: "f.yaml", Data: bytes.Clone(text), Public: true}}, testWorld())
		checkProblems(t, err)
		if (loaded == nil) != (err != nil) {
			t.Fatalf("got %v and %v", loaded, err)
		}
		problems, _ := err.(Problems)
		if len(problems) > mostListed+1 {
			t.Fatalf("there are %d problems", len(problems))
		}
		for _, p := range problems {
			for _, line := range p.Snippet {
				if len(line) > 8*mostShown || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
					t.Fatalf("a snippet of bad form: %q", line)
				}
			}
		}
		if loaded == nil {
			return
		}
		if err := loaded.Config.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		if len(loaded.Config.Routes) > mostRoutes || len(loaded.Config.Targets) > mostTargets {
			t.Fatal("a bound does not hold")
		}
	})
}

// TestAFileCostsNoMoreThanItsLength: the worst that fits is read in little memory, and what is listed is bounded.
func TestAFileCostsNoMoreThanItsLength(t *testing.T) {
	for name, piece := range map[string]string{
		"unknown keys": "k%d: v\n", "flow": "[", "block": "- - - - ", "many values": "a,", "anchors": "&a%d x,", "quotes": `"`, "targets": "  t%d: {backend: \"h:1\", hooks: {start: /a, stop: /b}}\n",
		"listeners": "- {listen: 1-1024, target: t}\n", "variables": "${", "lines": "\n", "tabs": "\t", "comment": "#",
	} {
		var text bytes.Buffer
		switch name {
		case "targets":
			text.WriteString("targets:\n")
		case "listeners":
			text.WriteString("targets:\n  t: {backend: \"h:1-1024\", hooks: {start: /a, stop: /b}}\nlisteners:\n")
		case "many values", "anchors":
			text.WriteString("a: [")
		}
		for i := 0; text.Len() < mostBytes-100; i++ {
			if strings.Contains(piece, "%d") {
				fmt.Fprintf(&text, piece, i)
			} else {
				text.WriteString(piece)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := FromFiles([]Source{{Name: "f.yaml", Data: text.Bytes()}}, testWorld())
		checkProblems(t, err)
		problems, _ := err.(Problems)
		if len(problems) == 0 || len(problems) > mostListed+1 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
		runtime.ReadMemStats(&after)
		if all := (after.TotalAlloc - before.TotalAlloc) >> 20; all > 1024 {
			t.Errorf("%s: it took %d MiB all in all", name, all)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: it took %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}

// TestDoubtsAndVariablesCostNoMoreThanTheirNumber: each of a thousand targets has the backend of all others.
func TestDoubtsAndVariablesCostNoMoreThanTheirNumber(t *testing.T) {
	var text strings.Builder
	text.WriteString("targets:\n")
	for i := range mostTargets {
		fmt.Fprintf(&text, "  t%d: {backend: h:1, hooks: {start: /a, stop: /b}}\n", i)
	}
	text.WriteString(goodListener[:len("listeners:\n")] + "- {listen: 127.0.0.1:1, target: t0}\n")
	b := &builder{world: testWorld(), places: map[string]mark{}, config: &Config{}}
	file, source := File{}, sourcesOf(text.String())[0]
	b.parse(&source, &file)
	b.entries([]File{file})
	if b.warn(); len(b.doubts) != mostKept {
		t.Errorf("%d doubts are kept, want %d", len(b.doubts), mostKept)
	}
}
