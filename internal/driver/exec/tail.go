package exec

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
)

const (
	chunkSize   = 64 << 10 // bytes read at once; two of them bound what one look costs
	longestLine = 1 << 10  // bytes of a line that are logged
	maxLines    = 200      // lines that one run may log
	maxLogged   = 64 << 10 // bytes that one run may log
	lastBytes   = 2 << 10  // bytes of output that an error may quote
	lastLines   = 5
)

// A tail reads what a hook writes into the output file and logs it by the line.
// One goroutine, that of the operation, owns it.
type tail struct {
	file   *os.File // nil: there is nothing to read
	offset int64    // how far we have read
	log    *slog.Logger
	level  slog.Level

	line   []byte // the line being gathered, at most longestLine+1 bytes
	lines  int    // logged so far
	logged int    // bytes
	quiet  bool   // the bounds were reached
	last   []byte // the newest output, as it came
	lost   bool   // last does not begin at the beginning of the output
	buf    []byte
}

// poll reads what has been written since the last call. It ends however fast the
// writer is: of a large backlog it reads the beginning and the end.
func (t *tail) poll() {
	if t.file == nil {
		return
	}
	size := sizeOf(t.file)
	if size < t.offset { // somebody cut the file; what came before the cut is lost
		t.offset = 0
	}
	if size-t.offset > 2*chunkSize {
		t.read(t.offset + chunkSize)
		t.endLine()
		t.offset = size - chunkSize
		t.lost = true
	}
	t.read(size)
	if size > maxOutput && t.file.Truncate(0) == nil {
		t.offset = 0
	}
}

// finish reads what is left, once the hook has ended.
func (t *tail) finish() {
	t.poll()
	t.endLine()
}

func (t *tail) read(end int64) {
	if t.buf == nil {
		t.buf = make([]byte, chunkSize)
	}
	for t.offset < end {
		n, err := t.file.ReadAt(t.buf[:min(chunkSize, end-t.offset)], t.offset)
		t.offset += int64(n)
		t.feed(t.buf[:n])
		if err != nil { // the file was cut meanwhile: the next poll sees it
			return
		}
	}
}

func (t *tail) feed(b []byte) {
	t.remember(b)
	for !t.quiet {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		room := longestLine + 1 - len(t.line)
		t.line = append(t.line, line[:min(room, len(line))]...)
		if !ended {
			return
		}
		t.endLine()
		b = rest
	}
}

func (t *tail) remember(b []byte) {
	if len(t.last)+len(b) > lastBytes {
		t.lost = true
		b = b[max(0, len(b)-lastBytes):]
		t.last = append(t.last[:0], t.last[len(t.last)-min(len(t.last), lastBytes-len(b)):]...)
	}
	t.last = append(t.last, b...)
}

// endLine logs the line gathered so far. Empty lines count but are not logged.
func (t *tail) endLine() {
	line, over := t.line, len(t.line) > longestLine
	t.line = t.line[:0]
	if t.quiet {
		return
	}
	t.lines++
	text := sanitize(bytes.TrimSuffix(line, []byte{'\r'}), longestLine)
	if over && !strings.HasSuffix(text, more) {
		text += more
	}
	if t.lines > maxLines || t.logged+len(text) > maxLogged {
		t.quiet = true
		t.log.Log(context.Background(), t.level, "hook output suppressed", "lines", t.lines-1, "bytes", t.logged)
		return
	}
	t.logged += len(text)
	if text != "" {
		t.log.Log(context.Background(), t.level, "hook output", "line", text)
	}
}

// quote is the end of the output in one line, for an error; empty if there was
// none.
func (t *tail) quote() string {
	lines := bytes.Split(t.last, []byte{'\n'})
	if t.lost && len(lines) > 1 {
		lines = lines[1:] // not whole
	}
	var texts []string
	for _, line := range lines {
		if text := strings.TrimSpace(sanitize(bytes.TrimSuffix(line, []byte{'\r'}), longestLine)); text != "" {
			texts = append(texts, text)
		}
	}
	return sanitize([]byte(strings.Join(texts[max(0, len(texts)-lastLines):], " | ")), lastBytes)
}
