package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// note is the second line of a file that keeps something beside the record of a target.
type note struct {
	Target string          `json:"target"`
	Kind   string          `json:"kind"`
	Note   json.RawMessage `json:"note"`
}

// noteFile returns the path of a note. Its name does not end as that of a record does.
func (d *Dir) noteFile(target, kind string) string {
	return filepath.Join(d.path, Stem(target)+"."+kind)
}

// SaveNote keeps a value beside the record of a target, under a kind, which is a word that is good in a file name. It is written
// as records are: after an error the old value, or the new one, is still whole.
func (d *Dir) SaveNote(target, kind string, value any) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	data, err := encodeNote(target, kind, value)
	if err == nil {
		err = d.replace(d.noteFile(target, kind), data)
	}
	if err != nil {
		return fmt.Errorf("saving the %s of target %q: %w", kind, target, err)
	}
	return nil
}

func encodeNote(target, kind string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(note{target, kind, text})
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	data := append(header(line), line...)
	if len(data) > maxSize {
		return nil, fmt.Errorf("it is %d bytes long, more than %d", len(data), maxSize)
	}
	return data, nil
}

// LoadNote reads into value what was kept, and reports whether there is anything. A file that is damaged is moved aside, and the
// error is a [*DamagedError]; value is then as it was.
func (d *Dir) LoadNote(target, kind string, value any) (found bool, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.lock == nil {
		return false, fmt.Errorf("reading the %s of target %q: %w", kind, target, os.ErrClosed)
	}
	path := d.noteFile(target, kind)
	data, err := d.disk.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = decodeNote(data, target, kind, value)
	}
	if bad, ok := errors.AsType[badFile](err); ok {
		return false, d.setAside(target, path, bad)
	}
	if err != nil {
		return false, fmt.Errorf("reading the %s of target %q: %w", kind, target, err)
	}
	return true, nil
}

func decodeNote(data []byte, target, kind string, value any) error {
	head, line, found := bytes.Cut(data, []byte("\n"))
	if err := checkVersion(string(head), found); err != nil {
		return err
	}
	if !bytes.Equal(data[:len(head)+1], header(line)) {
		return badFile("its checksum does not match its content")
	}
	var n note
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&n); err != nil {
		return badFile("its content is not a note: " + shorten(err.Error()))
	}
	if n.Target != target || n.Kind != kind {
		return badFile(fmt.Sprintf("it is the %s of another target, %q", shorten(n.Kind), shorten(n.Target)))
	}
	dec = json.NewDecoder(bytes.NewReader(n.Note))
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		return badFile("its content is not a " + kind + ": " + shorten(err.Error()))
	}
	return nil
}

// Remove forgets the record of a target, and what is kept beside it under these kinds.
func (d *Dir) Remove(target string, kinds ...string) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.lock == nil {
		return fmt.Errorf("forgetting target %q: %w", target, os.ErrClosed)
	}
	paths := []string{d.File(target)}
	for _, kind := range kinds {
		paths = append(paths, d.noteFile(target, kind))
	}
	var errs []error
	for _, path := range paths {
		if err := d.disk.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(append(errs, d.disk.syncDir(d.path))...); err != nil {
		return fmt.Errorf("forgetting target %q: %w", target, err)
	}
	return nil
}
