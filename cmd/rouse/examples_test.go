package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/rouse-proxy/rouse/internal/config"
)

const examples = "../../examples"

// installed copies the hooks of the examples to where the files say, below a folder of the test, and returns the text that
// names them there.
func installed(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(path string, program []byte, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, program, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range regexp.MustCompile(`/(etc/rouse|usr/bin)/[a-z_/]+(\.sh)?`).FindAllString(text, -1) {
		hook, own := strings.CutPrefix(path, "/etc/rouse/")
		switch {
		case strings.HasPrefix(hook, "secrets/"):
			put(filepath.Join(dir, path), []byte(canary), 0o600)
		case own:
			program, err := os.ReadFile(filepath.Join(examples, hook))
			if err != nil {
				t.Fatalf("there is no such hook among the examples: %v", err)
			}
			put(filepath.Join(dir, path), program, 0o700)
		default:
			put(filepath.Join(dir, path), []byte("#!/bin/sh\n"), 0o700)
		}
	}
	return strings.NewReplacer("/etc/rouse/", dir+"/etc/rouse/", "/usr/bin/", dir+"/usr/bin/").Replace(text)
}

// TestEachExampleIsFine: rouse check accepts each complete file, without a warning, and its hooks know their variables.
func TestEachExampleIsFine(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the hooks are shell scripts")
	}
	paths, err := filepath.Glob(filepath.Join(examples, "config", "*.yaml"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("there are only %d examples: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), "# yaml-language-server: $schema="+config.SchemaURL+"\n") {
				t.Error("its first line does not name the schema")
			}
			dir := t.TempDir()
			write(t, dir, "rouse.yaml", installed(t, string(text)))
			got := rouse(t, dir, "check")
			if got.code != exitDone || got.stderr != "" || !strings.HasPrefix(got.stdout, "fine: ") || strings.Contains(got.stdout, "warning") {
				t.Errorf("check exits with %d and says\n%s%s", got.code, got.stdout, got.stderr)
			}
			checkVariables(t, filepath.Join(dir, "rouse.yaml"))
		})
	}
}

// checkVariables holds the variables of each target against what its hooks read.
func checkVariables(t *testing.T, path string) {
	t.Helper()
	loaded, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	ofTools := regexp.MustCompile(`^(AWS|GOOGLE)_`)
	for _, target := range loaded.Config.Targets {
		common, err := os.ReadFile(filepath.Join(examples, filepath.Base(filepath.Dir(target.Hooks.Start[0])), "common.sh"))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range target.Hooks.Env {
			if !ofTools.MatchString(v.Name) && !strings.Contains(string(common), "\n"+v.Name+"=${"+v.Name) {
				t.Errorf("target %s: its hooks read no %s", target.Name, v.Name)
			}
		}
	}
}

// TestTheFilesInTheDocsAreRight: each file of several lines that the docs show.
func TestTheFilesInTheDocsAreRight(t *testing.T) {
	n := 0
	for _, page := range []string{"../../docs/config.md", "../../README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			n++
			_, err := config.FromFiles([]config.Source{{Name: page, Data: []byte(m[1])}}, config.World{
				Getenv:     func(string) (string, bool) { return "x", true },
				ReadSecret: func(string) ([]byte, bool, error) { return nil, false, nil },
			})
			if err != nil {
				t.Errorf("%s shows\n%s\nand that is wrong: %v", page, m[1], err)
			}
		}
	}
	if n < 2 {
		t.Errorf("there are only %d", n)
	}
}
