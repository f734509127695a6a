package config

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const wrongFiles = "testdata/wrongfiles.txtar"

// testWorld is what the files of the tests speak of.
func testWorld() World {
	env := map[string]string{"HUNTER": "hunter2", "HOME": "/home/me", "EMPTY": "", "PORT": "8000"}
	files := map[string]string{"/good": "hunter2\n", "/nul": "hunter2\x00", "/public": "hunter2"}
	return World{
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadSecret: func(path string) ([]byte, bool, error) {
			if path == "/long" {
				return nil, false, errTooLong
			}
			text, ok := files[path]
			if !ok {
				return nil, false, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), path == "/public", nil
		},
	}
}

// indented puts so many spaces in front of each line.
func indented(n int, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.Repeat(" ", n) + line)
	}
	return out.String()
}

const goodListener = "listeners:\n- {listen: 127.0.0.1:8000, target: web}\n"

// around returns the file in which a piece stands.
func around(base, piece string) string {
	fine := "    hooks: {start: /bin/a, stop: /bin/b}\n"
	address := "    backend: 10.0.0.5:80\n"
	switch base {
	case "program":
		return piece + "targets:\n  web:\n" + address + fine + goodListener
	case "hooks":
		switch piece {
		case "NULL\n":
			return "targets:\n  web:\n" + address + "    hooks:\n" + goodListener
		case "SCALAR\n":
			return "targets:\n  web:\n" + address + "    hooks: ./start.sh\n" + goodListener
		case "":
			return "targets:\n  web:\n" + address + goodListener
		}
		return "targets:\n  web:\n    hooks:\n" + indented(6, piece) + address + goodListener
	case "listener":
		return "listeners:\n- " + strings.TrimPrefix(indented(2, piece), "  ") + "targets:\n  web:\n" + address + fine +
			"  many:\n    host: 10.0.0.6\n    backends: {ssh: 22, web: 80, game: 9000-9004}\n" + fine +
			"  here:\n    backend: 127.0.0.1:9000-9004\n" + fine
	case "target", "probe":
		switch piece {
		case "SCALAR\n":
			return "targets:\n  web: 10.0.0.5:80\n" + goodListener
		case "NULL\n":
			return "targets:\n  web:\n" + goodListener
		case "BADNAME\n":
			return "targets:\n  my web:\n" + address + fine + goodListener
		case "NOBACKEND\n":
			return "targets:\n  web:\n" + fine + goodListener
		}
		if base == "probe" && !strings.Contains(piece, "host:") || !strings.Contains(piece, "backend") && !strings.HasPrefix(piece, "host") && !strings.HasPrefix(piece, "address") {
			piece += "backend: 10.0.0.5:80\n"
		}
		listener := goodListener
		if strings.Contains(piece, "backends") {
			listener = "listeners:\n- {listen: 127.0.0.1:8000, target: web, backend: ssh}\n"
		}
		return "targets:\n  web:\n" + indented(4, piece) + fine + listener
	}
	return piece
}

// wrongReport returns everything that is reported of a file.
func wrongReport(t *testing.T, text string) string {
	t.Helper()
	loaded, err := FromFiles([]Source{{Name: "f.yaml", Data: []byte(text), Public: true}}, testWorld())
	if (loaded == nil) != (err != nil) {
		t.Fatalf("got %v and %v", loaded, err)
	}
	checkProblems(t, err)
	problems, _ := err.(Problems)
	var out strings.Builder
	for _, p := range problems {
		out.WriteString(p.String() + "\n")
		for _, line := range p.Snippet {
			out.WriteString("|" + line + "\n")
		}
	}
	return out.String()
}

func TestEachWrongFileHasItsMessage(t *testing.T) {
	archive, err := txtar.ParseFile(wrongFiles)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		name, piece, want := archive.Files[i].Name, archive.Files[i].Data, &archive.Files[i+1]
		base, _, _ := strings.Cut(name, "/")
		if seen[name] || want.Name != "want" {
			t.Fatalf("%s is there twice, or has no messages behind it", name)
		}
		seen[name] = true
		text := around(base, string(piece))
		got := wrongReport(t, text)
		if got == "" {
			t.Errorf("%s: nothing is wrong with it:\n%s", name, text)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: a secret is shown:\n%s", name, got)
		}
		if !*update && got != string(want.Data) {
			t.Errorf("%s:\n%s\ngot\n%s\nwant\n%s", name, text, got, want.Data)
		}
		want.Data = []byte(got)
	}
	if len(seen) < 150 {
		t.Errorf("there are only %d cases", len(seen))
	}
	if *update {
		if err := os.WriteFile(wrongFiles, bytes.TrimRight(txtar.Format(archive), "\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
