package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/rouse-proxy/rouse/internal/event"
)

// mayBeTrace says whether a file is empty or begins as a trace does: nothing is appended to, say, a hook. A full disk
// may have cut off the first line at its end, and whoever keeps logs short at its beginning.
func mayBeTrace(f io.ReaderAt) bool {
	const start = `{"t":`
	head := make([]byte, longestLine)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return true // it may be written all the same
	}
	text, rest, whole := bytes.Cut(bytes.TrimLeft(head[:n], "\n\x00"), []byte{'\n'})
	switch {
	case len(text) < len(start):
		return strings.HasPrefix(start, string(text))
	case bytes.HasPrefix(text, []byte(start)):
		return !whole || !json.Valid(text) || isLine(text)
	}
	second, _, _ := bytes.Cut(rest, []byte{'\n'})
	return bytes.HasSuffix(text, []byte{'}'}) && !json.Valid(text) && isLine(second)
}

// isLine says whether a text is a line of some trace, in whatever format.
func isLine(text []byte) bool {
	var l struct {
		Kind event.Kind `json:"kind"`
		Run  int        `json:"run"`
	}
	return json.Unmarshal(text, &l) == nil && l.Kind != "" && l.Run > 0
}
