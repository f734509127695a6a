// Configdoc writes what people and editors read of the config file, from its Go types: docs/config.md and
// docs/rouse.schema.json. Run it with go generate ./internal/config; a test says when that was forgotten.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "folder of the module")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, "configdoc:", err)
		os.Exit(1)
	}
}

// write writes both files.
func write(root string) error {
	pages, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns both files by name.
func generate(root string) (map[string][]byte, error) {
	s, err := newSchema(root)
	if err != nil {
		return nil, err
	}
	text, err := s.encode()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"docs/rouse.schema.json": text, "docs/config.md": s.page()}, nil
}
