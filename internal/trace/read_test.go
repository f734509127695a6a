package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	beginning = `{"t":1,"at":"2026-01-02T03:04:05Z","kind":"rouse began","run":7,"format":1}` + "\n"
	waits     = `{"t":2,"at":"2026-01-02T03:04:05Z","kind":"client waits","run":7,"target":"web","client":"a"}` + "\n"
	lost      = `{"t":3,"at":"2026-01-02T03:04:05Z","kind":"trace lost","run":7,"lost":2}` + "\n"
)

func TestReadSaysWhereAFileIsNoTrace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hello\nworld\n" + waits, "trace:1: this is not a trace: it cannot be read as one of rouse's lines: invalid character 'h'"},
		{"hello", "trace:1: this is not a trace: it has no whole line"},
		{waits, `trace:1: this is not a trace: it begins with "client waits", not with "rouse began": its first part is missing`},
		{beginning + "{}\n" + waits, `trace:2: this is not a trace: the line has no "kind"`},
		{beginning + `{"kind":"x"}` + "\n" + waits, `trace:2: this is not a trace: the line has no "run"`},
		{beginning + `{"kind":"x","run":1,"colour":"red"}` + "\n" + waits, `trace:2: this is not a trace: it cannot be read as one of rouse's lines: json: unknown field "colour"`},
		{beginning + `{"t":"now","kind":"x","run":1}` + "\n" + waits, "trace:2: this is not a trace: it cannot be read"},
		{beginning + strings.TrimSpace(waits) + waits + waits, "trace:2: this is not a trace: two values stand in one line"},
		{strings.Replace(beginning, `"format":1`, `"format":2`, 1) + waits, "trace:1: this is not a trace: it is of format 2, and this rouse reads format 1"},
		{strings.Replace(beginning, `"format":1`, `"format":2`, 1) + "{\"new\":1}\n" + beginning, "trace:1: this is not a trace: it is of format 2"},
		{beginning + strings.Repeat("x", longestLine) + "\n", "trace:2: this is not a trace: a line longer than any that rouse writes"},
		{beginning + strings.Repeat("x\n", 2*mostBroken) + lost, "trace:2: this is not a trace: it cannot be read"},
		{strings.Repeat("\x00", 100), "trace:1: this is not a trace: it has no whole line"},
	} {
		_, err := CheckReader("trace", strings.NewReader(c.text), CheckOptions{})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.80q: %v\nwant %s", c.text, err, c.want)
		}
		if _, ok := errors.AsType[*FormatError](err); !ok {
			t.Errorf("%.80q: %v is no FormatError", c.text, err)
		}
	}
}

func TestReadPassesByWhatWasCutOff(t *testing.T) {
	for text, want := range map[string]int{
		beginning:                                     1,
		"\n" + beginning + "\n\n" + waits:             2,
		beginning + waits[:20]:                        1, // killed
		beginning + waits[:20] + "\n":                 1, // and the next one too, before its first line
		beginning + waits[:20] + "\n" + beginning:     2,
		beginning + waits[:20] + "\n{\n{\n" + lost:    2, // a full disk
		"{\"t\n" + lost + waits:                       2, // from the beginning
		beginning + waits[:20] + "\n\n" + lost + "{":  2,
		beginning + strings.TrimSuffix(waits, "\n"):   1, // whole or not, who knows
		beginning + waits[:20] + beginning + lost:     2, // where nobody had put an end of line: the beginning is lost
		beginning + strings.Repeat("\n", 1000) + lost: 2,
	} {
		n := 0
		for _, err := range Read("trace", iotest.OneByteReader(strings.NewReader(text))) {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			n++
		}
		if n != want {
			t.Errorf("%q: %d lines, want %d", text, n, want)
		}
	}
}

func TestReadPassesOnWhatTheDiskSays(t *testing.T) {
	_, err := CheckReader("trace", io.MultiReader(strings.NewReader(beginning), iotest.ErrReader(errBroken)), CheckOptions{})
	if !errors.Is(err, errBroken) {
		t.Errorf("it says %v", err)
	}
	if _, ok := errors.AsType[*FormatError](err); ok {
		t.Errorf("a disk that fails is not about the form: %v", err)
	}
}

func TestEmptyTrace(t *testing.T) {
	_, err := CheckReader("trace", strings.NewReader(""), CheckOptions{})
	if err == nil || err.Error() != "the trace is empty: rouse has written nothing" {
		t.Errorf("it says %v", err)
	}
}

// TestFilesAreMergedByTheirTimes: each is what one run has written.
func TestFilesAreMergedByTheirTimes(t *testing.T) {
	all := lines(t, stopping+`
		82s rouse began run=7
		82s state changed from=unknown to=stopping epoch=1
		82s operation begun operation=stop epoch=1`)
	for _, later := range []bool{false, true} {
		first, second := encode(t, all[:len(all)-3]), encode(t, all[len(all)-3:])
		names := []string{"first", "second"}
		sources := [][]byte{first, second}
		if later {
			slices.Reverse(names)
			slices.Reverse(sources)
		}
		var lines []string
		m, err := newMerge(seqs(names, sources))
		for err == nil && len(m.heads) > 0 {
			l := m.heads[m.first()].line
			lines = append(lines, fmt.Sprintf("%s:%d", l.File, l.Number))
			err = m.advance()
		}
		if err != nil || len(lines) != len(all) || lines[0] != "first:1" || lines[len(all)-3] != "second:1" {
			t.Errorf("%v, %v", lines, err)
		}
		if r, err := CheckAll(seqs(names, sources), CheckOptions{}); err != nil || !r.OK() || r.Crashes != 1 {
			t.Errorf("%v, %s", err, r)
		}
	}
}

func seqs(names []string, texts [][]byte) (all []source) {
	for i, name := range names {
		all = append(all, Read(name, bytes.NewReader(texts[i])))
	}
	return all
}

// TestBootsAreComparedByTheWall: after a boot, t begins anew.
func TestBootsAreComparedByTheWall(t *testing.T) {
	first := strings.NewReplacer(`"t":1`, `"t":900`, `"format":1`, `"format":1,"boot":"a"`).Replace(beginning)
	second := strings.NewReplacer(`05Z`, `06Z`, `"format":1`, `"format":1,"boot":"b"`).Replace(beginning)
	r, err := CheckAll(seqs([]string{"second", "first"}, [][]byte{[]byte(second), []byte(first)}), CheckOptions{})
	if err != nil || !r.OK() || r.Runs != 2 || r.Took != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}
