package shape

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// What the first message of a PostgreSQL client is, beside its version ("Message Formats" of its documentation).
const (
	pgVersion3 = 3
	pgCancel   = 80877102
	pgSSL      = 80877103
	pgGSS      = 80877104
	mostPG     = 10000 // as the server has it
)

// readPostgres reads the first message of a PostgreSQL client.
func readPostgres(b []byte) (Hello, error) {
	if len(b) > 0 && b[0] != 0 || len(b) > 1 && b[1] != 0 {
		return Hello{}, ErrOther
	}
	if len(b) < 8 {
		return Hello{}, pgPrefix(b)
	}
	size, code := int(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:])
	switch {
	case code == pgSSL && size == 8 || code == pgGSS && size == 8:
		return Hello{Encrypt: true}, nil
	case code == pgCancel && size >= 16 && size <= 16+256:
		return Hello{Cancel: true}, nil
	case code>>16 != pgVersion3 || size < 8+1 || size > mostPG:
		return Hello{}, ErrOther
	case len(b) < size:
		return Hello{}, ErrMore
	}
	return pgParameters(b[8:size])
}

// pgPrefix judges the first bytes, before there are enough of them to say more.
func pgPrefix(b []byte) error {
	if len(b) >= 4 {
		if size := binary.BigEndian.Uint32(b); size < 8 || size > mostPG {
			return ErrOther
		}
	}
	if len(b) >= 6 {
		if code := binary.BigEndian.Uint16(b[4:]); code != pgVersion3 && code != pgSSL>>16 {
			return ErrOther
		}
	}
	return ErrMore
}

// pgParameters reads pairs of texts, ended by an empty one.
func pgParameters(b []byte) (Hello, error) {
	h := Hello{}
	for {
		key, rest, ok := bytes.Cut(b, []byte{0})
		switch {
		case !ok:
			return Hello{}, ErrOther
		case len(key) == 0 && len(rest) == 0:
			if h.Database == "" {
				h.Database = h.User
			}
			return h, nil
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok || len(key) == 0 {
			return Hello{}, ErrOther
		}
		switch string(key) {
		case "user":
			h.User = text(string(value))
		case "database":
			h.Database = text(string(value))
		}
		b = rest
	}
}

// readSSH reads the identification that a client sends.
func readSSH(b []byte) (Hello, error) {
	found, err := begins(b, "SSH-2.0-", "SSH-1.99-", "SSH-1.5-")
	if err != nil {
		return Hello{}, err
	}
	line, _, ended := cutLine(b)
	switch {
	case ended && len(line) <= 253: // RFC 4253, 4.2
		software, _, _ := strings.Cut(string(line[len(found):]), " ")
		return Hello{Client: text(software)}, nil
	case ended || len(b) > 255:
		return Hello{}, ErrOther
	}
	return Hello{}, ErrMore
}

// readRDP reads an X.224 connection request in a TPKT (RFC 1006), with the cookie that may name the user.
func readRDP(b []byte) (Hello, error) {
	want := []struct {
		at       int
		from, to byte
	}{{0, 3, 3}, {1, 0, 0}, {2, 0, 1}, {5, 0xe0, 0xe0}, {6, 0, 0}, {7, 0, 0}, {10, 0, 0}}
	for _, w := range want {
		if len(b) > w.at && (b[w.at] < w.from || b[w.at] > w.to) {
			return Hello{}, ErrOther
		}
	}
	if len(b) < 5 {
		return Hello{}, ErrMore
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	if size < 11 || size > 512 || int(b[4])+5 > size {
		return Hello{}, ErrOther
	}
	if len(b) < size {
		return Hello{}, ErrMore
	}
	h := Hello{}
	line, _, ended := cutLine(b[11:size])
	if user, found := strings.CutPrefix(string(line), "Cookie: mstshash="); found && ended {
		h.User = text(user)
	}
	return h, nil
}

// redisFirst are words with which Redis clients begin. Any other could be anything.
var redisFirst = []string{"AUTH", "CLIENT", "COMMAND", "GET", "HELLO", "INFO", "PING", "SELECT", "SET", "SUBSCRIBE", "PSUBSCRIBE", "MGET", "HGET", "HSET",
	"DEL", "EXISTS", "LPUSH", "RPUSH", "BLPOP", "MULTI", "READONLY", "CLUSTER", "CONFIG", "ROLE", "PSYNC", "REPLCONF", "ECHO", "MONITOR", "XREAD", "DBSIZE", "KEYS", "SCAN"}

// readRedis reads the first command of a Redis client: an array of texts, or one of the well-known words on a line.
func readRedis(b []byte) (Hello, error) {
	if len(b) > 0 && b[0] != '*' {
		return inlineRedis(b)
	}
	count, rest, err := redisNumber(b, '*')
	if err != nil {
		return Hello{}, err
	}
	if count < 1 || count > 1<<20 {
		return Hello{}, ErrOther
	}
	size, rest, err := redisNumber(rest, '$')
	if err != nil {
		return Hello{}, err
	}
	if size < 1 || size > 32 {
		return Hello{}, ErrOther
	}
	word := strings.ToUpper(string(rest[:min(len(rest), size)]))
	switch {
	case strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ.") != "":
		return Hello{}, ErrOther
	case len(rest) < size:
		return Hello{}, ErrMore
	}
	return Hello{Command: word}, nil
}

// inlineRedis reads a command on a line.
func inlineRedis(b []byte) (Hello, error) {
	line, _, ended := cutLine(b)
	if !ended {
		line = bytes.TrimSuffix(b, []byte("\r"))
	}
	word, _, more := strings.Cut(strings.ToUpper(string(line[:min(len(line), 40)])), " ")
	for _, w := range redisFirst {
		switch {
		case w == word && (ended || more):
			if !ended {
				return Hello{}, ErrMore // GET / HTTP/1.1 is none
			}
			if strings.Contains(string(line), " HTTP/") {
				return Hello{}, ErrOther
			}
			return Hello{Command: word}, nil
		case !ended && !more && strings.HasPrefix(w, word):
			return Hello{}, ErrMore
		}
	}
	return Hello{}, ErrOther
}

// redisNumber reads a sign, a number and the end of a line.
func redisNumber(b []byte, sign byte) (n int, rest []byte, err error) {
	for i, c := range b {
		switch {
		case i == 0 && c != sign, i > 8:
			return 0, nil, ErrOther
		case i == 0:
		case c == '\r' && i > 1:
			if len(b) == i+1 {
				return 0, nil, ErrMore
			}
			if b[i+1] != '\n' {
				return 0, nil, ErrOther
			}
			return n, b[i+2:], nil
		case c < '0' || c > '9':
			return 0, nil, ErrOther
		default:
			n = n*10 + int(c-'0')
		}
	}
	return 0, nil, ErrMore
}
