package shape

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
)

// FuzzRead: whatever the bytes are, no parser panics, looks further than it may, says what cannot stand in a log, or takes back what
// it has said once it has seen more.
func FuzzRead(f *testing.F) {
	for _, c := range told(f) {
		f.Add(c.bytes, len(c.bytes)/2)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		part := b[:min(max(cut, 0), len(b))]
		for _, k := range append([]Kind{""}, Kinds...) {
			read := k.Read
			if k == "" {
				read = Guess
			}
			early, errEarly := read(part)
			whole, err := read(b)
			for _, h := range []Hello{early, whole} {
				for _, s := range []string{h.Name, h.Method, h.Path, h.UserAgent, h.Database, h.User, h.Client, h.Command} {
					if len(s) > Most || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
						t.Fatalf("%s says %q", k, s)
					}
				}
			}
			if !errors.Is(errEarly, ErrMore) && (!equal(early, whole) || (err == nil) != (errEarly == nil)) {
				t.Fatalf("%s: after %d bytes %+v, %v; after %d %+v, %v", k, len(part), early, errEarly, len(b), whole, err)
			}
			long := append(bytes.Clone(b), make([]byte, max(Most-len(b), 0))...)
			atMost, errMost := read(long[:Most])
			beyond, errBeyond := read(append(long, "poison"...))
			if !equal(atMost, beyond) || (errMost == nil) != (errBeyond == nil) || errors.Is(errBeyond, ErrMore) {
				t.Fatalf("%s looks beyond: %+v, %v and %+v, %v", k, atMost, errMost, beyond, errBeyond)
			}
		}
	})
}

// FuzzRule: a rule answers a longer look as it did before, and always answers once all is said.
func FuzzRule(f *testing.F) {
	for _, c := range told(f) {
		f.Add(c.bytes, len(c.bytes)/2, string(c.kind), c.want.Name)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int, kind, name string) {
		rule := Rule{Kind: Kind(kind), Names: []string{name, "!" + name + ".", "*." + name}}
		if kind == "" {
			rule = Rule{Regexp: regexp.MustCompile(`SSH-\d`)}
		}
		part := b[:min(max(cut, 0), len(b))]
		early, err := rule.Match(part, false)
		whole, errWhole := rule.Match(b, true)
		if errWhole != nil {
			t.Fatalf("all is said, and more is wanted")
		}
		if err == nil && early != whole {
			t.Fatalf("after %d bytes %v, after all %v", len(part), early, whole)
		}
		if text := Describe(b); len(text) > 2000 || strings.ContainsAny(text, "\n\x00") {
			t.Fatalf("described as %q", text)
		}
	})
}
