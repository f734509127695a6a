package main

import (
	"testing"
)

func TestExitCodesOfATraceCheck(t *testing.T) {
	dir := t.TempDir()
	const began = `{"t":1,"at":"2026-01-02T03:04:05Z","kind":"rouse began","run":7,"format":1}` + "\n"
	write(t, dir, "fine", began)
	write(t, dir, "wrong", began+`{"t":2,"at":"2026-01-02T03:04:06Z","kind":"operation begun","run":7,"target":"web","operation":"stop","held":1}`+"\n")
	write(t, dir, "other", "hello\n")
	for file, want := range map[string]int{"fine": exitDone, "wrong": exitFailed, "other": exitUsage, "missing": exitUsage, ".": exitUsage} {
		for _, format := range []string{"--json=true", "--json=false"} {
			if got := rouse(t, dir, "trace", "check", format, file); got.code != want || (got.stderr == "") != (want < exitUsage) {
				t.Errorf("%s %s: it exits with %d, want %d: %s%s", file, format, got.code, want, got.stdout, got.stderr)
			}
		}
	}
}
