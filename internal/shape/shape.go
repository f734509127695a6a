// Package shape says what a client has said, from its first bytes. It is pure: nothing is read here, and whoever has looked
// at the bytes leaves them where they are.
//
// Every parser answers the same for a longer look at the same client: once it has said what the bytes are, or that they
// are something else, more bytes change nothing. Until then it says [ErrMore]. No parser looks further than [Most] bytes.
// What they return is text that may stand in a log: a name with other letters than names have counts as not said.
package shape

import (
	"errors"
	"slices"
	"strings"
)

// Most is how many bytes are ever looked at.
const Most = 16 << 10

// A Kind is a protocol that is known by its first bytes.
type Kind string

// The kinds.
const (
	TLS       Kind = "tls"       // RFC 8446, 4.1.2: a ClientHello
	HTTP      Kind = "http"      // RFC 9112: the head of a request; or the preface of HTTP/2 (RFC 9113, 3.4)
	SSH       Kind = "ssh"       // RFC 4253, 4.2: the identification
	Postgres  Kind = "postgres"  // a startup message, or a request for encryption or cancelling
	Minecraft Kind = "minecraft" // Java edition: a handshake, or the ping of old clients
	RDP       Kind = "rdp"       // [MS-RDPBCGR] 2.2.1.1: an X.224 connection request
	MQTT      Kind = "mqtt"      // a CONNECT of MQTT 3.1, 3.1.1 or 5
	Redis     Kind = "redis"     // a command, as an array or as a line
)

// Kinds are all of them, in the order in which [Guess] tries them.
var Kinds = []Kind{TLS, SSH, RDP, MQTT, Postgres, Minecraft, Redis, HTTP}

// What a parser says of bytes that it can make nothing of.
var (
	// ErrMore says that what is there fits, and that more is needed.
	ErrMore = errors.New("more bytes are needed")
	// ErrOther says that the bytes are something else, or longer than [Most].
	ErrOther = errors.New("the bytes are something else")
)

// A Hello is what a client has said. What it has not said, or not in letters that names have, is zero.
type Hello struct {
	Kind      Kind
	Name      string // tls: server name; http: host; minecraft: host. Lower case, without port and without a dot at its end
	Method    string // http
	Path      string // http, without the query; minecraft: empty
	UserAgent string // http
	Database  string // postgres; that of the user's name if none is said, as the server has it
	User      string // postgres, mqtt; rdp: the cookie mstshash
	Login     bool   // minecraft: it wants to play, not to see the status
	Encrypt   bool   // postgres: it wants to encrypt first, and says the rest only then
	Cancel    bool   // postgres: it cancels a query of another connection
	Client    string // mqtt: client id; ssh: software
	Command   string // redis: the first command, in capitals
}

// Read says what the bytes are if they are of this kind.
func (k Kind) Read(b []byte) (Hello, error) {
	read, known := readers[k]
	if !known {
		return Hello{}, ErrOther
	}
	full := len(b) >= Most
	h, err := read(b[:min(len(b), Most)])
	switch {
	case errors.Is(err, ErrMore) && full:
		return Hello{}, ErrOther
	case err != nil:
		return Hello{}, err
	}
	h.Kind = k
	return h, nil
}

var readers map[Kind]func([]byte) (Hello, error)

func init() {
	readers = map[Kind]func([]byte) (Hello, error){
		TLS: readTLS, HTTP: readHTTP, SSH: readSSH, Postgres: readPostgres, Minecraft: readMinecraft, RDP: readRDP, MQTT: readMQTT, Redis: readRedis,
	}
}

// Guess says what the bytes are, of whichever kind: the first of [Kinds] that fits. While one before it may still fit, more
// is needed.
func Guess(b []byte) (Hello, error) {
	for _, k := range Kinds {
		h, err := k.Read(b)
		if !errors.Is(err, ErrOther) {
			return h, err
		}
	}
	return Hello{}, ErrOther
}

const mostName = 255

// name returns a host name in its plain form, or nothing if it is none.
func name(s string) string {
	s = strings.TrimSuffix(s, ".")
	if len(s) > mostName || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:") != "" {
		return "" // before it is put in small letters: of some that are not ASCII these are
	}
	return strings.ToLower(s)
}

// text returns a value if it can stand in a log as it is.
func text(s string) string {
	if len(s) > mostName || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return s
}

// begins says whether b begins with one of the words, or may still: then more is needed.
func begins(b []byte, words ...string) (found string, err error) {
	err = ErrOther
	for _, w := range words {
		switch {
		case strings.HasPrefix(string(b[:min(len(b), len(w))]), w):
			return w, nil
		case strings.HasPrefix(w, string(b[:min(len(b), len(w))])):
			err = ErrMore
		}
	}
	return "", err
}

// contains says whether a list of what is wanted has the value, see [Rule].
func contains(list []string, fits func(entry string) bool) bool {
	if len(list) == 0 {
		return true
	}
	positive := false
	for _, e := range list {
		if bare, not := strings.CutPrefix(e, "!"); not {
			if fits(bare) {
				return false
			}
			continue
		}
		positive = true
	}
	return !positive || slices.ContainsFunc(list, func(e string) bool { return !strings.HasPrefix(e, "!") && fits(e) })
}
