package config

import (
	"fmt"
	"os"
	"strings"
)

// Fingerprint returns a text that changes whenever the config at path may have changed: a file, or the *.yaml files of a
// directory.
func Fingerprint(path string) string {
	names := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if names, err = fragments(path); err != nil {
			return err.Error()
		}
	}
	var b strings.Builder
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		fmt.Fprintln(&b, name, info.Size(), info.ModTime().UnixMicro(), info.Mode())
	}
	return b.String()
}
