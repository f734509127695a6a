package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	mostBytes  = 512 << 10 // of one config file
	mostFiles  = 1000      // in a directory
	mostSecret = 64 << 10
)

// A Source is the text of one config file.
type Source struct {
	Name   string // as it stands in messages
	Data   []byte
	Public bool // other users of this machine may read it
	index  int
	hidden []stretch // not to be shown
}

// FindFile returns the config file that is used when none is named: the first of UsualPlaces that is there.
func FindFile(getenv func(string) string) (string, error) {
	places := UsualPlaces(getenv)
	for _, path := range places {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // one that cannot be read is to be heard of
		}
	}
	return "", Problems{{Where: "--config", Text: "there is no config file: neither " + strings.Join(places, " nor "),
		Hint: "name one, or write one with rouse init"}}
}

// UsualPlaces returns where a config file is looked for.
func UsualPlaces(getenv func(string) string) []string {
	places := []string{"rouse.yaml"}
	if runtime.GOOS == "windows" {
		if dir := under(runtime.GOOS, getenv("APPDATA"), "rouse", "rouse.yaml"); dir != "" {
			places = append(places, dir)
		}
		return places
	}
	user := under(runtime.GOOS, getenv("XDG_CONFIG_HOME"), "rouse", "rouse.yaml")
	if user == "" {
		user = under(runtime.GOOS, getenv("HOME"), ".config", "rouse", "rouse.yaml")
	}
	if user != "" {
		places = append(places, user)
	}
	return append(places, "/etc/rouse/rouse.yaml")
}

// ReadSources reads a config file, or all files of a directory that end in .yaml, in the order of their names.
func ReadSources(path string) ([]Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		s, err := readSource(path)
		return []Source{s}, err
	}
	names, err := fragments(path)
	if err != nil {
		return nil, err
	}
	var sources []Source
	var problems Problems
	for _, name := range names {
		s, err := readSource(name)
		if p, ok := errors.AsType[Problems](err); ok {
			problems = append(problems, p...)
		}
		sources = append(sources, s)
	}
	return sources, problems.orNil()
}

// fragments lists the config files in a directory.
func fragments(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return nil, Problems{{Where: dir, Text: "there is no file in it that ends in .yaml", Hint: "put one there, or name a file"}}
	case len(names) > mostFiles:
		return nil, Problems{{Where: dir, Text: fmt.Sprintf("there are more than %d files in it", mostFiles), Hint: "put them together"}}
	}
	return names, nil
}

// readSource reads one file, and no more of it than a config may have.
func readSource(path string) (Source, error) {
	data, public, err := readBounded(path, mostBytes)
	if errors.Is(err, errTooLong) {
		return Source{}, Problems{{Where: path, Text: "it is longer than 512 KiB", Hint: "this is hardly a config file; name another, or a directory of several"}}
	}
	if errors.Is(err, errChangeable) {
		return Source{}, Problems{{Where: path, Text: err.Error() + ", and it says which programs are run", Hint: "chmod o-w " + path}}
	}
	if err != nil {
		return Source{}, unreadable(path, err)
	}
	return Source{Name: path, Data: data, Public: public}, nil
}

// checkMode refuses a file that anybody may change.
func checkMode(mode fs.FileMode) error {
	const othersWrite = 0o002
	if mode&othersWrite != 0 && runtime.GOOS != "windows" {
		return errChangeable
	}
	return nil
}

var errChangeable = errors.New("any user of this machine may change it")

var errTooLong = errors.New("it is too long")

func readBounded(path string, most int64) (data []byte, public bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if err := checkMode(info.Mode()); err != nil {
		return nil, false, err
	}
	data, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLong
	}
	const othersRead = 0o004
	return data, info.Mode()&othersRead != 0 && runtime.GOOS != "windows", err
}

// unreadable is the problem of a file that could not be read.
func unreadable(path string, err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return Problems{{Where: path, Text: "it cannot be read: " + err.Error()}}
}

// A World is what a file may speak of that is outside of it.
type World struct {
	Getenv func(name string) (string, bool)
	// ReadSecret returns the text of a file, and whether other users of this machine may read it.
	ReadSecret func(path string) (text []byte, public bool, err error)
}

// ThisWorld is that of this process.
func ThisWorld() World {
	return World{Getenv: os.LookupEnv, ReadSecret: func(path string) ([]byte, bool, error) { return readBounded(path, mostSecret) }}
}
