package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/rouse-proxy/rouse/internal/event"
)

const (
	longestLine = 64 << 10 // bytes; a Writer makes none that is half as long
	mostBroken  = 1000     // lines in a row that a full disk may have cut off
)

// A FormatError says where a file is not a trace.
type FormatError struct {
	File   string
	Number int // of the line
	Text   string
	cause  error
}

// Error says it.
func (e *FormatError) Error() string {
	if e.Number == 0 {
		return e.File + " " + e.Text
	}
	return fmt.Sprintf("%s:%d: this is not a trace: %s", e.File, e.Number, e.Text)
}

// Unwrap returns the cause, if there is one.
func (e *FormatError) Unwrap() error { return e.cause }

var errFormat = errors.New("of a format that this rouse does not know")

var errTooLong = errors.New("a line longer than any that rouse writes")

// Read returns the lines of a trace, and ends with the first error. name is how the file is
// called in messages. A line that is cut off is passed by where a rouse may have been killed
// or the disk may have been full while it wrote it.
func Read(name string, r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		p := parser{file: name, in: bufio.NewReaderSize(r, longestLine)}
		for {
			l, err := p.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// parser reads one file.
type parser struct {
	file   string
	in     *bufio.Reader
	number int
	began  bool
	broken error // what is wrong with the line before, which may have been cut off: the first of several
	cuts   int   // how many
}

// next returns the next line; io.EOF: there is none.
func (p *parser) next() (Line, error) {
	for {
		text, err := p.in.ReadSlice('\n')
		p.number++
		switch {
		case errors.Is(err, io.EOF): // what stands here was cut off, if it is anything
			switch {
			case p.began || len(text) == 0 && p.broken == nil:
				return Line{}, io.EOF
			case p.broken != nil:
				return Line{}, p.broken
			}
			return Line{}, p.wrong("it has no whole line", nil)
		case errors.Is(err, bufio.ErrBufferFull):
			return Line{}, p.wrong(errTooLong.Error(), errTooLong)
		case err != nil:
			return Line{}, fmt.Errorf("reading %s: %w", p.file, err)
		}
		l, err := p.parse(bytes.TrimSuffix(text, []byte{'\n'}))
		switch {
		case err == nil && l.Kind == "": // empty
			continue
		case errors.Is(err, errFormat): // a run that nobody can judge is not passed by
			return Line{}, err
		case p.broken != nil && (p.cuts > mostBroken || err == nil && l.Kind != event.RouseBegan && l.Kind != kindLost):
			return Line{}, p.broken
		case err == nil:
			p.broken, p.cuts, p.began = nil, 0, true
			return l, nil
		}
		p.cuts++
		if p.broken == nil {
			p.broken = err
		}
	}
}

// parse reads one line. An empty one stands where a run found the file cut off.
func (p *parser) parse(text []byte) (Line, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return Line{}, nil
	}
	var l Line
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&l); err != nil {
		return Line{}, p.wrong("it cannot be read as one of rouse's lines: "+err.Error(), err)
	}
	if in.More() {
		return Line{}, p.wrong("two values stand in one line", nil)
	}
	l.File, l.Number = p.file, p.number
	return l, p.sound(&l)
}

// sound refuses what no rouse writes.
func (p *parser) sound(l *Line) error {
	switch {
	case l.Kind == "":
		return p.wrong(`the line has no "kind"`, nil)
	case l.Run <= 0:
		return p.wrong(`the line has no "run"`, nil)
	case l.Kind == event.RouseBegan && l.Format != Format:
		return p.wrong(fmt.Sprintf("it is of format %d, and this rouse reads format %d: use the rouse that wrote it, or a newer one", l.Format, Format), errFormat)
	case !p.began && l.Kind != event.RouseBegan && l.Kind != kindLost:
		return p.wrong(fmt.Sprintf("it begins with %q, not with %q: its first part is missing", l.Kind, event.RouseBegan), nil)
	}
	return nil
}

func (p *parser) wrong(text string, cause error) error {
	return &FormatError{File: p.file, Number: p.number, Text: text, cause: cause}
}
