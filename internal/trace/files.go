package trace

import (
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// A source gives the lines of one trace.
type source = iter.Seq2[Line, error]

// CheckFiles judges the traces in files, merged by their times. An error says that one is not a
// trace or cannot be read.
func CheckFiles(paths []string, o CheckOptions) (*Report, error) {
	var sources []source
	var infos []os.FileInfo
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("opening a trace: %w", err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("opening a trace: %w", err)
		}
		if i := slices.IndexFunc(infos, func(other os.FileInfo) bool { return os.SameFile(info, other) }); i >= 0 {
			return nil, &FormatError{File: path, Text: fmt.Sprintf("is the same file as %s: name it once", paths[i])}
		}
		infos = append(infos, info)
		sources = append(sources, Read(path, f))
	}
	return CheckAll(sources, o)
}

// CheckReader judges one trace.
func CheckReader(name string, r io.Reader, o CheckOptions) (*Report, error) {
	return CheckAll([]source{Read(name, r)}, o)
}

// CheckAll judges several traces, merged by their times.
func CheckAll(sources []source, o CheckOptions) (*Report, error) {
	c := newChecker(o)
	m, err := newMerge(sources)
	defer m.stop()
	for err == nil && len(m.heads) > 0 {
		l := m.heads[m.first()].line
		c.take(&l)
		err = m.advance()
	}
	if err != nil {
		return nil, err
	}
	return c.finish(), nil
}

// merge gives the lines of several files in the order of their times. The order within a file stays.
type merge struct{ heads []*head }

type head struct {
	line Line
	boot string
	next func() (Line, error, bool)
	stop func()
}

func newMerge(sources []source) (*merge, error) {
	m := &merge{}
	for _, s := range sources {
		h := &head{}
		h.next, h.stop = iter.Pull2(s)
		m.heads = append(m.heads, h)
	}
	for i := len(m.heads) - 1; i >= 0; i-- {
		if err := m.pull(i); err != nil {
			return m, err
		}
	}
	return m, nil
}

// pull reads the next line of a source, or drops it at its end.
func (m *merge) pull(i int) error {
	h := m.heads[i]
	l, err, ok := h.next()
	switch {
	case !ok:
		h.stop()
		m.heads = append(m.heads[:i], m.heads[i+1:]...)
		return nil
	case err != nil:
		return err
	}
	if l.Boot != "" {
		h.boot = l.Boot
	}
	h.line = l
	return nil
}

// first is the source whose line comes first.
func (m *merge) first() int {
	best := 0
	for i, h := range m.heads {
		if h.before(m.heads[best]) {
			best = i
		}
	}
	return best
}

// before compares times of one boot by the clock of that boot, else by the wall.
func (h *head) before(other *head) bool {
	if h.boot == other.boot {
		return h.line.T < other.line.T
	}
	return h.line.At.Before(other.line.At)
}

func (m *merge) advance() error { return m.pull(m.first()) }

func (m *merge) stop() {
	for _, h := range m.heads {
		h.stop()
	}
}
