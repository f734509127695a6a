package exec

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Guard says who else could put another file in the place of one that says which programs are run: it looks at every folder
// and every link on the way, as [Inspect] does. In a file system that is mounted read-only nobody can, as where a container
// gets its config. What cannot be followed by name, such as a pipe, has no place.
func Guard(path string) (warnings []string, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	in := inspection{path: abs, mounted: true}
	if _, err := in.follow(abs); err != nil {
		if _, unknown := errors.AsType[*fs.PathError](err); unknown {
			return nil, nil // whoever has read it knows better
		}
		return nil, err
	}
	return in.warnings, nil
}
