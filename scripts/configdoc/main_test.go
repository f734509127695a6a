package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/rouse-proxy/rouse/internal/config"
)

const root = "../.."

func TestTheReferenceAndTheSchemaAreThoseOfTheTypes(t *testing.T) {
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v): run go generate ./internal/config", name, err)
		}
	}
}

// TestEveryKeyIsExplained: each has a comment, and its row in the reference.
func TestEveryKeyIsExplained(t *testing.T) {
	s, err := newSchema(root)
	if err != nil {
		t.Fatal(err)
	}
	page := string(s.page())
	n := 0
	for _, entry := range []any{config.File{}, config.TargetEntry{}, config.HooksEntry{}, config.ProbeEntry{}, config.ListenerEntry{}} {
		for _, f := range fieldsOf(reflect.TypeOf(entry)) {
			n++
			if text := s.doc(reflect.TypeOf(entry), f.Name); len(text) < 15 || !strings.HasSuffix(text, ".") {
				t.Errorf("%T.%s is explained by %q", entry, f.Name, text)
			}
			if !strings.Contains(page, "\n| `"+f.Tag.Get("yaml")+"` | ") {
				t.Errorf("the reference has no %s", f.Tag.Get("yaml"))
			}
		}
	}
	if n < 30 {
		t.Errorf("there are only %d keys", n)
	}
}

// compiled returns the schema as a validator has it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "docs", "rouse.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(config.SchemaURL, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(config.SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance reads YAML as an editor does, for the validator.
func instance(t *testing.T, text []byte) (any, bool) {
	t.Helper()
	var v any
	if yaml.Load(text, &v) != nil {
		return nil, false
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	return doc, err == nil
}

func TestEveryExampleFitsTheSchema(t *testing.T) {
	s := compiled(t)
	paths, err := filepath.Glob(filepath.Join(root, "examples", "config", "*.yaml"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("there are only %d examples: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, ok := instance(t, text)
		if !ok {
			t.Fatalf("%s cannot be read", path)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTheSchemaSeesMistakes: an editor marks what rouse would refuse for its form. What takes more than one value to know is
// for rouse check.
func TestTheSchemaSeesMistakes(t *testing.T) {
	s := compiled(t)
	archive, err := txtar.ParseFile(filepath.Join(root, "internal", "config", "testdata", "wrongfiles.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	seen, all := 0, 0
	for i := 0; i+1 < len(archive.Files); i += 2 {
		f := archive.Files[i]
		if !strings.HasPrefix(f.Name, "file/") {
			continue
		}
		if doc, ok := instance(t, f.Data); ok {
			all++
			if s.Validate(doc) != nil {
				seen++
			}
		}
	}
	t.Logf("of %d wrong files an editor would mark %d", all, seen)
	if all < 20 || seen*10 < all*6 {
		t.Errorf("of %d wrong files an editor would mark %d", all, seen)
	}
}

// TestTheGeneratorIsNotInTheProgram: what only writes docs costs the program nothing.
func TestTheGeneratorIsNotInTheProgram(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/rouse")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"jsonschema", "ordered-map", "jsonparser"} {
		if strings.Contains(string(out), path) {
			t.Errorf("the program contains %s", path)
		}
	}
	if !strings.Contains(string(out), "go.yaml.in/yaml/v4") {
		t.Error("this does not look at the program")
	}
}
