//go:build !unix

package exec

import (
	"io/fs"
	"path/filepath"
)

// follow resolves the links. Who may write where is not checked here.
func (in *inspection) follow(path string) (string, error) { return filepath.EvalSymlinks(path) }

func (in *inspection) executable(string, fs.FileInfo) error { return nil }
