package config

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Problem is one thing that is wrong with what the user wrote.
type Problem struct {
	Where string // a flag (--target-port), a place in a file (rouse.yaml:3:9) or a path in a Config (targets[0].cooldown)
	Text  string // what is wrong, showing the value
	Hint  string // what would be right; empty when Text says it

	// Snippet is the line of a file that it is about and, below, a caret. Lines have no end.
	Snippet []string
}

// String returns the problem on one line.
func (p Problem) String() string {
	if p.Hint == "" {
		return p.Where + ": " + p.Text
	}
	return p.Where + ": " + p.Text + "; " + p.Hint
}

// Problems is everything that is wrong, in the order of the flags or the Config. As
// an error it is never empty.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// orNil returns the problems as an error, nil when there are none.
func (p Problems) orNil() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// add records what a rule says about a place, when it says something.
func (p *Problems) add(where string, err error) {
	if err == nil {
		return
	}
	problem := Problem{Where: where, Text: err.Error()}
	if f, ok := errors.AsType[*fault](err); ok {
		problem.Text, problem.Hint = f.text, f.hint
	}
	*p = append(*p, problem)
}

// A fault is what a rule finds wrong with a value, before it is known where the value
// stands.
type fault struct{ text, hint string }

// Error returns both on one line.
func (f *fault) Error() string {
	if f.hint == "" {
		return f.text
	}
	return f.text + "; " + f.hint
}

// wrong returns a fault.
func wrong(text, hint string) error { return &fault{text, hint} }

// show quotes a value for a message. A password that stands before an @ is left out,
// and a value of absurd length is cut.
func show(value string) string {
	const most = 60
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		scheme := ""
		if i := strings.Index(value[:at], "://"); i >= 0 {
			scheme = value[:i+len("://")]
		}
		value = scheme + "…" + value[at:]
	}
	if quoted := strconv.Quote(value); len(value) <= most && len(quoted) <= 2*most {
		return quoted
	}
	// A byte that is no text takes four in quotes.
	for cut := min(most, len(value)); ; cut /= 2 {
		for cut > 0 && cut < len(value) && !utf8.RuneStart(value[cut]) {
			cut--
		}
		if quoted := strconv.Quote(value[:cut] + "…"); len(quoted) <= 2*most || cut == 0 {
			return quoted
		}
	}
}
