package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
)

// encode is the text of a trace.
func encode(t testing.TB, all []Line) []byte {
	t.Helper()
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	for _, l := range all {
		if err := out.Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// FuzzCheck: whatever stands in a file, it is judged or refused, in words that are fit for a terminal.
func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		f.Add(encode(f, lines(f, c.fine)))
		if c.wrong != "" {
			f.Add(encode(f, lines(f, c.wrong)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		report, err := CheckReader("trace", bytes.NewReader(b), CheckOptions{})
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("this is no error of form: %v", err)
			}
			return
		}
		text := report.String()
		if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("not fit for a terminal: %q", text)
		}
		if report.OK() != strings.Contains(text, "\nfine: ") {
			t.Errorf("OK is %v, and the text is\n%s", report.OK(), text)
		}
		if report.Lines > bytes.Count(b, []byte{'\n'}) {
			t.Errorf("%d lines in %q", report.Lines, b)
		}
		if _, err := json.Marshal(report); err != nil {
			t.Errorf("no JSON: %v", err)
		}
	})
}
