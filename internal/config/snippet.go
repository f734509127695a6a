package config

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// mostShown is how many characters of a line are shown.
const mostShown = 100

// line returns a line of the source, without its end.
func (s *Source) line(n int) string {
	rest := s.Data
	for ; n > 1; n-- {
		_, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return ""
		}
		rest = after
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.TrimSuffix(string(line), "\r")
}

// snippet shows the line of a place, and a caret below the place. What may be a secret is not shown.
func (m mark) snippet() []string {
	if m.source == nil || m.blank {
		return nil
	}
	line := []rune(m.source.line(m.line))
	if len(line) == 0 {
		return nil
	}
	for i, r := range line {
		if !unicode.IsPrint(r) {
			line[i] = ' ' // tabs too, so that the caret fits
		}
	}
	at := min(m.column-1, len(line))
	text := m.unmasked(line, at)
	if text == "" {
		return nil
	}
	line = []rune(text)
	at = min(at, len(line))
	from := 0
	if at > mostShown-20 { // a line of absurd length
		from = at - mostShown/2
	}
	shown := string(line[from:min(len(line), from+mostShown)])
	return []string{strings.TrimRight(shown, " "), strings.Repeat(" ", at-from) + "^"}
}

// unmasked returns what may be shown of the line of a place.
func (m mark) unmasked(line []rune, at int) string {
	most := m.source.shown(m.line)
	if m.private || at >= most {
		return mask(string(line), true, at)
	}
	if most < len(line) {
		return mask(string(line[:most]), false, at) + "…"
	}
	return mask(string(line), false, at)
}

var (
	keyOfLine   = regexp.MustCompile(`^\s*(- )?["']?[A-Za-z_][A-Za-z0-9_.-]*["']?\s*:`)
	secretValue = regexp.MustCompile(`(?i)([a-z0-9_]*(?:token|secret|pass|key|credential|auth)[a-z0-9_]*["']?\s*[:=])\s*\S.*$`)
	userValue   = regexp.MustCompile(`://[^@\s]*@`)
	flagValue   = regexp.MustCompile(`(?i)(\s["']?--?[a-z0-9_-]*(?:token|secret|pass|pw|key|credential|auth)[a-z0-9_-]*["']?[\s,=]\s*)\S.*$`)
	queryValue  = regexp.MustCompile(`(/[^\s?]*\?)[^\s"'},]+`)
)

// mask leaves out of a line what is or may be a secret. "" says that nothing of it can be shown.
func mask(line string, private bool, at int) string {
	line = userValue.ReplaceAllString(line, "://…@")
	line = queryValue.ReplaceAllString(line, "$1…")
	if !private {
		return flagValue.ReplaceAllString(secretValue.ReplaceAllString(line, "$1 …"), "$1…")
	}
	key := keyOfLine.FindString(line)
	if key == "" || at > len(key) && strings.TrimSpace(line[len(key):min(at, len(line))]) != "" {
		return "" // what looks like a key may be a part of a value that began on a line before
	}
	if key == line {
		return line
	}
	return key + " …"
}

var envKey = regexp.MustCompile(`\benv["']?\s*:`)

// mayBeSecret says whether a line that is no YAML may belong to the variables of hooks: some line above begins them, and
// no key since then is indented less. The indentation of the line itself may be what is wrong with it.
func (s *Source) mayBeSecret(n int) bool {
	lines := strings.Split(string(s.Data), "\n")
	n = min(n, len(lines))
	least := 1 << 20
	for i := n - 1; i >= 0; i-- {
		if envKey.MatchString(lines[i]) && (i == n-1 || indent(lines[i]) <= least) {
			return true
		}
		if i < n-1 && (keyOfLine.MatchString(lines[i]) || strings.HasPrefix(strings.TrimSpace(lines[i]), "- ")) {
			least = min(least, indent(lines[i]))
		}
	}
	return false
}

// indent is how many spaces a line begins with. A tab makes that unknown.
func indent(line string) int {
	n := len(line) - len(strings.TrimLeft(line, " "))
	if strings.HasPrefix(line[n:], "\t") {
		return 1 << 20
	}
	return n
}
