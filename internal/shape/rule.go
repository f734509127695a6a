package shape

import (
	"errors"
	"regexp"
	"strings"
)

// A Rule says which clients fit: those of its kind for whom each list that is given has what they say. In a list, an entry
// with ! before it excludes. The zero value fits nobody.
type Rule struct {
	Kind       Kind
	Names      []string // exact, or *.example.org for all below it, or * for whoever names one; lower case
	Paths      []string // http: /api fits /api and /api/x
	Methods    []string // http
	UserAgents []string // http: a part, in any case
	Databases  []string // postgres
	Users      []string // postgres, mqtt, rdp
	Status     bool     // minecraft: who wants to see the status fits, too

	// Regexp stands in place of a kind: it must match from the very first byte on.
	Regexp *regexp.Regexp
}

// Match says whether a client fits that has said b so far, and nothing more if it has ended. The error is nil or [ErrMore]:
// then it may fit yet.
func (r *Rule) Match(b []byte, ended bool) (bool, error) {
	if r.Regexp != nil {
		return r.matchText(b[:min(len(b), Most)], ended)
	}
	h, err := r.Kind.Read(b)
	switch {
	case errors.Is(err, ErrMore) && !ended:
		return false, ErrMore
	case err != nil:
		return false, nil
	}
	return r.Fits(h), nil
}

// matchText looks for the expression. More bytes may still bring a match, until nothing comes any more.
func (r *Rule) matchText(b []byte, ended bool) (bool, error) {
	if at := r.Regexp.FindIndex(b); at != nil && at[0] == 0 {
		return true, nil
	}
	if ended || len(b) >= Most {
		return false, nil
	}
	return false, ErrMore
}

// Fits says whether a client fits that has said h.
func (r *Rule) Fits(h Hello) bool {
	if h.Kind != r.Kind || r.Kind == "" || h.Cancel {
		return false
	}
	if h.Kind == Minecraft && !h.Login && !r.Status {
		return false
	}
	if h.hides() && len(r.Names)+len(r.Paths)+len(r.UserAgents)+len(r.Databases)+len(r.Users) > 0 {
		return false // not even a list of what is excluded: it may be just that
	}
	return contains(r.Names, func(e string) bool { return fitsName(e, h.Name) }) &&
		contains(r.Paths, func(e string) bool { return fitsPath(e, h.Path) }) &&
		contains(r.Methods, func(e string) bool { return strings.EqualFold(e, h.Method) }) &&
		contains(r.UserAgents, func(e string) bool { return strings.Contains(strings.ToLower(h.UserAgent), strings.ToLower(e)) }) &&
		contains(r.Databases, func(e string) bool { return e == h.Database || e == "*" && h.Database != "" }) &&
		contains(r.Users, func(e string) bool { return e == h.User || e == "*" && h.User != "" })
}

// hides says that a client will say what it wants only after an answer, or in a form that is not read here.
func (h Hello) hides() bool { return h.Encrypt || h.Method == "PRI" }

// fitsName compares a host name with an entry.
func fitsName(entry, name string) bool {
	if tail, any := strings.CutPrefix(entry, "*"); any {
		return name != "" && strings.HasSuffix(name, tail) && len(name) > len(tail)
	}
	return entry == name && name != ""
}

// fitsPath compares a path with an entry, by its segments.
func fitsPath(entry, path string) bool {
	rest, found := strings.CutPrefix(path, strings.TrimSuffix(entry, "/"))
	return found && (rest == "" && !strings.HasSuffix(entry, "/") || strings.HasPrefix(rest, "/") || path == entry)
}

// Any says whether a client fits one of the rules, or may yet.
func Any(rules []Rule, b []byte, ended bool) (fits, more bool) {
	for i := range rules {
		ok, err := rules[i].Match(b, ended)
		if ok {
			return true, false
		}
		more = more || err != nil
	}
	return false, more
}

// Describe says in a few words, fit for a log, what a client has said.
func Describe(b []byte) string {
	h, err := Guess(b)
	if err != nil {
		return "something that is not known"
	}
	var text strings.Builder
	text.WriteString(string(h.Kind))
	switch {
	case h.Kind == Minecraft && !h.Login:
		text.WriteString(" status")
	case h.Kind == Postgres && h.Cancel:
		text.WriteString(" cancel")
	}
	for _, part := range []string{h.Method, h.Name, h.Database, h.Command} {
		if part != "" {
			text.WriteString(" " + part)
		}
	}
	return text.String()
}
