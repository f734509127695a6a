package exec

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// maxOutput is the size in bytes beyond which the output file is cut.
const maxOutput = 1 << 20

// An output is where the hooks of one target write.
type output struct {
	path       string
	open       func(path string) (*os.File, error)
	openMemory func(name string) (*os.File, error)
	log        *slog.Logger

	mu     sync.Mutex // guards the fields below
	busy   bool       // a run is on, and its tail alone may cut the file
	memory *os.File   // stands in for the file; kept, for a daemon may hold it too
}

// claim returns the file for one run, ready for header and for what the hook
// writes; tail says whether it can be read. release must be called in the end.
func (o *output) claim(header string) (file *os.File, readable bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	file, err = o.open(o.path)
	if err == nil {
		if err = writeHeader(file, header); err == nil {
			o.busy = true
			return file, true, nil
		}
		file.Close()
	}
	o.log.Warn("hook output cannot go to its file", "err", err)
	if file, err = o.claimMemoryLocked(header); err == nil {
		o.busy = true
		return file, true, nil
	}
	file, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, false, fmt.Errorf("opening a place for the output: %w", err)
	}
	o.busy = true
	return file, false, nil
}

func (o *output) claimMemoryLocked(header string) (*os.File, error) {
	if o.memory == nil {
		memory, err := o.openMemory("rouse hook output")
		if err != nil {
			return nil, err
		}
		o.memory = memory
	}
	return o.memory, writeHeader(o.memory, header)
}

// release ends the claim and closes the file, unless it is the memory.
func (o *output) release(file *os.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy = false
	if file != o.memory {
		file.Close()
	}
}

// trim cuts what has grown too large, unless a run is on.
func (o *output) trim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return
	}
	if o.memory != nil {
		if err := cut(o.memory); err != nil {
			o.log.Warn("hook output cannot be cut", "err", err)
		}
	}
	if info, err := os.Lstat(o.path); err != nil || info.Size() <= maxOutput {
		return // nothing there, or nothing to do
	}
	file, err := o.open(o.path)
	if err == nil {
		defer file.Close()
		err = cut(file)
	}
	if err != nil {
		o.log.Warn("hook output cannot be cut", "err", err)
	}
}

// writeHeader marks the beginning of a run, and so proves that the file can be
// written.
func writeHeader(file *os.File, header string) error {
	if err := cut(file); err != nil {
		return err
	}
	_, err := fmt.Fprintf(file, "# %s %s\n", time.Now().Format(time.RFC3339), header)
	return err
}

func cut(file *os.File) error {
	if sizeOf(file) <= maxOutput {
		return nil
	}
	return file.Truncate(0)
}

// sizeOf is 0 for a file that cannot be asked.
func sizeOf(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// openOutput opens the output file for appending, and for reading behind the
// writers. It takes no link and nothing but a regular file.
func openOutput(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|noLink, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("the output file is not a regular file")
	case info.Mode().Perm() != 0o600:
		err = file.Chmod(0o600)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return file, nil
}

// quote returns the end of what a hook of an earlier rouse wrote, which began and
// ended at these places; empty if the file has been cut since.
func (o *output) quote(began, ended int64) string {
	if ended <= began {
		return ""
	}
	file, err := os.OpenFile(o.path, os.O_RDONLY|noLink|noWait, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	if sizeOf(file) < ended {
		return ""
	}
	t := tail{file: file, offset: max(began, ended-chunkSize), quiet: true}
	t.lost = t.offset > began
	t.read(ended)
	return t.quote()
}
