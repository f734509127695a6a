package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// mostDepth is how deep keys and lists may be nested. No config needs half of it.
const mostDepth = 20

var errTooDeep = errors.New("too deep")

// bounds keep a file from costing more than its length.
type bounds struct{}

// CheckDepth is asked by the parser.
func (bounds) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > mostDepth {
		return errTooDeep
	}
	return nil
}

// CheckAlias is not asked where nothing is constructed; aliases are refused by the decoder.
func (bounds) CheckAlias(int, int) error { return nil }

// parse reads the document of a source into f, and reports what does not fit.
func (b *builder) parse(s *Source, f *File) {
	top := mark{source: s, line: 1, column: 1}
	if s.index == 0 {
		b.top = top
	}
	node, at, err := s.document()
	if err != nil {
		b.top = mark{}
		b.report(at, err)
		return
	}
	d := &decoder{keeper: newKeeper(s, node), getenv: b.world.Getenv, report: b.report}
	d.decode(reflect.ValueOf(f).Elem(), node, top)
	if d.lost {
		b.top = mark{}
	}
}

// document returns what stands in the source, or where and why it cannot be read.
func (s *Source) document() (*yaml.Node, mark, error) {
	top := mark{source: s, line: 1, column: 1}
	empty := wrong("the file is empty", "write targets: and listeners:, or let rouse init do it")
	s.Data = bytes.TrimPrefix(s.Data, []byte("\xef\xbb\xbf"))
	if len(s.Data) > mostBytes {
		return nil, top, wrong("it is longer than 512 KiB", "put what it says into several files")
	}
	if at, bad := firstBad(s); bad {
		return nil, at, wrong("this is not UTF-8 text", "save the file as UTF-8")
	}
	if at, bad := firstOddBreak(s); bad {
		return nil, at, wrong("a line ends here for YAML and not for every editor", "end lines with \\n or \\r\\n alone: no other sign of Unicode, and no \\r by itself")
	}
	node, err := document(s.Data)
	switch {
	case errors.Is(err, io.EOF):
		return nil, top, empty
	case err != nil:
		at, err := s.syntax(err)
		return nil, at, err
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil, top, empty
	}
	return node, top, nil
}

// document returns the one document of a text.
func document(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(bounds{}))
	if err != nil {
		return nil, err
	}
	var doc, more yaml.Node
	if err := loader.Load(&doc); err != nil {
		return nil, err
	}
	switch err := loader.Load(&more); {
	case err == nil:
		return nil, &secondDocument{more.Line}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &doc, nil
}

// A secondDocument is what one file cannot have.
type secondDocument struct{ line int }

func (s *secondDocument) Error() string { return "a second document" }

// firstBad finds the first byte that is no text.
func firstBad(s *Source) (mark, bool) {
	if utf8.Valid(s.Data) && bytes.IndexByte(s.Data, 0) < 0 {
		return mark{}, false
	}
	at := mark{source: s, line: 1, column: 1}
	for rest := s.Data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1 || r == 0:
			return at, true
		case r == '\n':
			at.line, at.column = at.line+1, 1
		default:
			at.column++
		}
		rest = rest[size:]
	}
	return at, false
}

// oddBreak matches what ends a line for YAML alone: places, and the lines that are shown, would not be those of the file.
var oddBreak = regexp.MustCompile("\r[^\n]|\r$|[\u0085\u2028\u2029]")

// firstOddBreak finds the first of them.
func firstOddBreak(s *Source) (mark, bool) {
	found := oddBreak.FindIndex(s.Data)
	if found == nil {
		return mark{}, false
	}
	before := s.Data[:found[0]]
	start := bytes.LastIndexByte(before, '\n') + 1
	return mark{source: s, line: bytes.Count(before, []byte("\n")) + 1, column: utf8.RuneCount(before[start:]) + 1, blank: true}, true
}

var (
	bareIPv6  = regexp.MustCompile(`(^|[\s:,\[-])\[[0-9a-fA-F:.%]*:[0-9a-fA-F:.%]*\](:\S+)?`)
	colonPair = regexp.MustCompile(`^[^:]*: .*: `)
)

// syntax says where and how a file is no YAML.
func (s *Source) syntax(err error) (mark, error) {
	at := mark{source: s, line: 1, column: 1}
	if second, ok := errors.AsType[*secondDocument](err); ok {
		at.line = max(second.line, 1)
		return at, wrong("a second document begins here", "a file has one; put the other into a file of its own")
	}
	text := err.Error()
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		text = load.Message
		at.line, at.column = max(load.Mark.Line, 1), max(load.Mark.Column, 1)
	}
	at.private = s.mayBeSecret(at.line)
	at.blank = at.private
	line := s.line(at.line)
	switch {
	case errors.Is(err, errTooDeep) || strings.Contains(text, errTooDeep.Error()):
		return at, wrong("keys or lists are nested too deeply here", fmt.Sprintf("a config has at most %d levels", mostDepth))
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		return at, wrong("a tab indents this line", "YAML indents with spaces")
	case bareIPv6.MatchString(line) && !at.private:
		return at, wrong("this is not YAML: "+plainSyntax(text), `an IPv6 address needs quotes, as in "[::]:8000"`)
	case strings.Contains(text, "mapping values are not allowed") && colonPair.MatchString(line):
		return at, wrong("this is not YAML: "+plainSyntax(text), "put a value that has a colon and a space in it in quotes")
	case strings.Contains(text, "unexpected end of stream") || at.line > bytes.Count(s.Data, []byte("\n"))+1:
		return at, wrong("this is not YAML: "+plainSyntax(text), "a quote or a bracket is not closed")
	}
	return at, wrong("this is not YAML: "+plainSyntax(text), "look at the indentation and the quotes here and on the line before")
}

// plainSyntax shows what the parser says, without what it may quote of the file.
func plainSyntax(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if found := strings.Contains(text, "anchor '"); found {
		return "an alias (*) of what is not there"
	}
	return text[:min(len(text), 120)]
}
