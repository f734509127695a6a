package notify

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

const (
	mostTitle = 200  // characters
	mostText  = 3500 // ntfy takes 4096 bytes before it makes an attachment of them
	mostError = 300  // of an error in the log
	leastPart = 3    // what is shorter is no secret, and would hide half of all words
	veiled    = "***"
)

// veilOf hides whatever stands in the URL of a channel, and its key: what others answer may repeat it.
func veilOf(c Channel) *strings.Replacer {
	var pairs []string
	for _, part := range partsOf(c) {
		pairs = append(pairs, part, veiled)
	}
	return strings.NewReplacer(pairs...)
}

// partsOf are the secrets of a channel, the longest first.
func partsOf(c Channel) []string {
	parts := []string{c.URL, c.Key}
	if u, err := url.Parse(c.URL); err == nil {
		if u.User != nil {
			name := u.User.Username()
			password, _ := u.User.Password()
			parts = append(parts, name, password, u.User.String(), base64.StdEncoding.EncodeToString([]byte(name+":"+password)),
				base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00"+password)))
			parts = append(parts, strings.Split(password, "-")...) // slack://hook:T-B-X@webhook
		}
		parts = append(parts, u.Host, u.Hostname(), u.Path, u.EscapedPath(), u.RawQuery, u.Fragment)
		parts = append(parts, strings.Split(u.Path, "/")...)
		parts = append(parts, strings.Split(u.EscapedPath(), "/")...)
		for _, values := range u.Query() {
			for _, v := range values {
				parts = append(parts, v, url.QueryEscape(v))
				parts = append(parts, strings.FieldsFunc(v, betweenNames)...)
			}
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return len(s) < leastPart })
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(parts)
}

// betweenNames are what separates names in addresses of mail.
func betweenNames(r rune) bool { return strings.ContainsRune(",@<> ", r) }

// plain is the text of an error without anything of the URL.
func (c *channel) plain(err error) string {
	if err == nil {
		return ""
	}
	return clean(c.veil.Replace(plain(err).Error()), mostError)
}

// plain is an error without the URL, and without the address that was dialled.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return errors.New(op.Op + ": " + op.Err.Error())
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// clean makes a text fit to be shown: without control characters, and with its beginning and its end if it is long.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	return shorten(strings.TrimSpace(s), most)
}

// shorten leaves out the middle: what was done stands first, and the last lines of a hook stand last.
func shorten(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	head := most / 3
	return string(runes[:head]) + " … " + string(runes[len(runes)-(most-head-3):])
}
