package trace

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ofBoot is the beginning of a run at some second of a boot.
func ofBoot(boot, second, run string) string {
	return strings.NewReplacer(`"t":1`, `"t":`+second+`000000000`, `"run":7`, `"run":`+run, `"format":1`, `"format":1,"boot":"`+boot+`"`).Replace(beginning)
}

func TestLinesWithoutTheBeginningOfTheirRunAreCounted(t *testing.T) {
	many := strings.Repeat(waits, mostBroken+5)
	for text, want := range map[string]int{
		beginning + waits: 0,
		waits[9:] + waits + waits + beginning + waits: 3,
		many + beginning:     mostBroken + 5,
		waits + lost + waits: 1,
		waits + beginning + waits[:20] + "\n" + beginning: 1, // what a rouse was killed in is no such line
	} {
		r, err := CheckReader("trace", strings.NewReader(text), CheckOptions{})
		if err != nil {
			t.Fatalf("%.300q: %v", text, err)
		}
		said := strings.Contains(r.String(), "not judged: ") && strings.HasSuffix(r.String(), " not judged\n")
		if r.Unjudged != want || said != (want > 0) {
			t.Errorf("%.300q: %d lines not judged, want %d:\n%s", text, r.Unjudged, want, r)
		}
	}
}

func TestLinesOutOfOrderAreDamage(t *testing.T) {
	back := strings.Replace(waits, `"t":2`, `"t":1`, 1)
	later := strings.Replace(waits, `"t":2`, `"t":9000000000`, 1)
	for _, c := range []struct{ name, text, want string }{
		{"a line", beginning + later + back, "trace:3: this is not a trace: its lines are out of order: this one is 9s older"},
		{"a hair", beginning + waits + back, ""},
		{"runs", ofBoot("a", "20", "7") + ofBoot("a", "10", "8"), "trace:2: this is not a trace: its lines are out of order: this one is 10s older"},
		{"a new boot", ofBoot("a", "20", "7") + ofBoot("b", "10", "8"), ""},
		{"a boot that nobody knows", ofBoot("", "20", "7") + ofBoot("", "10", "8"), ""},
		{"a wall that was set back", ofBoot("wall 1", "20", "7") + ofBoot("wall 1", "10", "8"), ""},
		{"what is missing, and what was told meanwhile", beginning + strings.Replace(lost, `"t":3`, `"t":9000000000`, 1) + waits, ""},
	} {
		_, err := CheckReader("trace", strings.NewReader(c.text), CheckOptions{})
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestFilesThatCannotBeJudgedAreNamed(t *testing.T) {
	dir := t.TempDir()
	fine, empty := filepath.Join(dir, "fine"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{fine: beginning, empty: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, paths := range map[string][]string{
		empty + " is empty": {fine, empty},
		filepath.Join(dir, ".", "fine") + " is the same file as " + fine: {fine, fine},
	} {
		if _, err := CheckFiles(paths, CheckOptions{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", paths, err, want)
		}
	}
}

func TestReportForPrograms(t *testing.T) {
	r := newReport()
	b, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"findings":[]`) || !strings.Contains(string(b), `"targets":[]`) {
		t.Errorf("an empty report: %s, %v", b, err)
	}
	for range mostFindings + 7 {
		r.add(Finding{Rule: ruleCounts})
	}
	b, err = json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"violations":1007,"warnings":0`) || !strings.HasSuffix(r.String(), "and 7 more\n\nnot fine: 1007 violations\n") {
		t.Errorf("a long one: …%s, %v", b[len(b)-100:], err)
	}
}

func TestATraceIsNotAppendedToAnythingElse(t *testing.T) {
	for text, want := range map[string]bool{
		"#!/bin/sh\nexec start-vm\n": false, "hello": false, `{"time":1}` + "\n": false, `{"t":1}` + "\n" + beginning: false,
		`{"t":{"kind":"x"}}`: true, // nobody can tell: it has no end of line
		"x":                  false, "\x7fELF": false,
		"": true, "\n": true, beginning: true, waits: true, "\n" + lost: true, `{"t`: true, "{\n" + lost: true, waits[:30]: true, waits[30:] + waits: true,
		waits[30:]: false, "exit # }\n": false,
		waits[:30] + "\n" + lost: true, "\x00\x00": true,
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		w, err := Open(path, Options{})
		if err == nil {
			_ = w.Close()
		}
		after, _ := os.ReadFile(path)
		if (err == nil) != want || string(after) != text || err != nil && !strings.Contains(err.Error(), "holds something else than a trace") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
