package exec

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	escape  = 0x1b
	more    = "…"
	standIn = utf8.RuneError // for whatever must not be shown
)

// sanitize makes text that a stranger wrote safe for a log, an error and a
// terminal: terminal sequences (ECMA-48) vanish, and each run of control
// characters, invalid UTF-8 and invisible formatting characters becomes one
// U+FFFD. Every other space than the plain one becomes one. A result longer than limit bytes is cut and
// marked with an ellipsis on top of the limit. Clean text within the limit comes
// back as it is.
func sanitize(b []byte, limit int) string {
	var out strings.Builder
	out.Grow(min(len(b), limit) + len(more))
	replaced := false
	for len(b) > 0 {
		if b[0] == escape {
			b = b[sequence(b):]
			continue
		}
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		switch {
		case r == '\t' || unicode.Is(unicode.Zs, r):
			r = ' '
		case !unicode.IsGraphic(r): // among others category Cf, which can turn the direction of text
			r = standIn
		}
		if r == standIn && replaced {
			continue
		}
		replaced = r == standIn
		if out.Len()+utf8.RuneLen(r) > limit {
			out.WriteString(more)
			break
		}
		out.WriteRune(r)
	}
	return out.String()
}

// sequence is the length of the terminal sequence at the start of b, which begins
// with an escape. One that does not end is taken to be the escape alone, so that
// it cannot swallow text that follows.
func sequence(b []byte) int {
	if len(b) < 2 {
		return 1
	}
	switch c := b[1]; {
	case c == '[': // CSI: parameters and intermediates, then a final byte
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x7e {
				return 2
			}
		}
		return 2
	case c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X': // a string, up to BEL or ST
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return i + 1
			}
			if b[i] == escape && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2
			}
		}
		return 2
	case c >= 0x20 && c <= 0x2f: // intermediates, then one final byte
		if len(b) > 2 && b[2] >= 0x30 && b[2] <= 0x7e {
			return 3
		}
		return 2
	case c >= 0x30 && c <= 0x7e:
		return 2
	}
	return 1
}
