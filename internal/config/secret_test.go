package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestASecretShowsItselfToNobody: however a Config that holds one is printed, logged or encoded.
func TestASecretShowsItselfToNobody(t *testing.T) {
	const secret = "hunter2"
	loaded := files(t, `
targets:
  a:
    backend: h:1
    hooks: {start: /a, stop: /b, env: {A: hunter2, B: {file: /good}, C: "${HUNTER}"}}
listeners: [{listen: 127.0.0.1:1, target: a}]
`)
	env := loaded.Config.Targets[0].Hooks.Env
	for _, v := range env {
		if v.Value.Reveal() != secret {
			t.Errorf("the value of %s is not there", v.Name)
		}
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb, *loaded.Config, env, &env[0].Value)
		fmt.Fprintf(&out, verb, struct{ hidden Secret }{env[0].Value})
	}
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("dump", "config", loaded.Config, "env", env, "value", env[0].Value)
	}
	if err := json.NewEncoder(&out).Encode(loaded.Config); err != nil {
		t.Fatal(err)
	}
	if shown := out.String(); strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) || !strings.Contains(shown, redacted) {
		t.Errorf("a secret is shown, or nothing is redacted:\n%s", shown)
	}
}

// TestEveryLineOfASecretIsKept: wherever a file breaks off, nothing of a variable's value is shown.
func TestEveryLineOfASecretIsKept(t *testing.T) {
	for _, text := range []string{
		"targets:\n  a:\n    hooks:\n      env:\n        A: \"hunter2: {x\n          hunter2\"\n        B: |\n          hunter2: [\n        C: {file: hunter2}\n      start: /a\n    backend: h:1\n",
		"targets:\n  a:\n    hooks: {start: /a, env: {A: hunter2}, stop: /b, x: 1}\n    backend: h:1\n",
		"targets:\n  a:\n    hooks: {start: /a, env: {A: 1,\n      B: hunter2}, stop: /b, x: 1}\n    backend: h:1\n",
		"targets:\n  a:\n    hooks: {start: /a, env: {A: \"1\n\n      hunter2\"}, stop: /b, x: 1}\n    backend: h:1\n",
	} {
		for i := range text {
			for _, bad := range []string{"", "\t", "\"", "{", "]", "\n\t", ": :", "*x", "&", "\r"} {
				broken := text[:i] + bad + text[i:]
				if !strings.Contains(broken, " env:") {
					continue // by another name it is known only if the file is YAML
				}
				for _, p := range wrongWith(broken) {
					if all := p.String() + strings.Join(p.Snippet, "\n"); strings.Contains(all, "hunter2") {
						t.Fatalf("%q at %d shows %q", bad, i, all)
					}
				}
			}
		}
	}
}

// wrongWith returns what is wrong with a file.
func wrongWith(text string) Problems {
	_, err := FromFiles(sourcesOf(text), testWorld())
	problems, _ := err.(Problems)
	return problems
}

// TestLinesAreThoseOfTheFile: what ends a line for YAML alone would shift all places, and show another line than is meant.
func TestLinesAreThoseOfTheFile(t *testing.T) {
	for _, end := range []string{"\r", "\u0085", "\u2028", "\u2029"} {
		text := "targets:\r\n  a:\n    x: 1 # é" + end + "#\n    hooks:\n      env:\n        A: hunter2\n"
		problems := wrongWith(text)
		if got := problems[0].String(); len(problems) != 1 || !strings.HasPrefix(got, "a.yaml:3:13: a line ends here for YAML") || problems[0].Snippet != nil {
			t.Errorf("%q: it reports %v", end, problems)
		}
	}
}
