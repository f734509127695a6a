package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	magic   = "rouse-state" // first word of every state file
	version = 1             // of the format: header and body
	maxSize = 64 << 10      // of a file, in bytes
)

// castagnoli is the polynomial of CRC-32C, which finds every burst of up to 32 wrong
// bits. The checksum is against accidents; against people there are permissions.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A badFile says why a state file cannot be what Save wrote.
type badFile string

// Error returns the reason.
func (b badFile) Error() string { return string(b) }

// body is the second line of a state file.
type body struct {
	Target   string    `json:"target"`
	MayRun   bool      `json:"may_run"`
	Starting bool      `json:"starting,omitzero"`
	Stopping bool      `json:"stopping,omitzero"`
	Epoch    uint64    `json:"epoch"`
	Since    time.Time `json:"since"`
	LastUsed time.Time `json:"last_used"`
	InUse    bool      `json:"in_use"`
	Address  string    `json:"address"`
	Moves    bool      `json:"moves,omitzero"`
}

// encode returns the content of the file that keeps r.
func encode(r Record) ([]byte, error) {
	if r.Target == "" {
		return nil, errors.New("the target has no name")
	}
	if !utf8.ValidString(r.Target) || !utf8.ValidString(r.Address) {
		return nil, errors.New("its name or address is not valid UTF-8")
	}
	b := body(r)
	b.Since, b.LastUsed = b.Since.UTC(), b.LastUsed.UTC()
	line, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	data := append(header(line), line...)
	if len(data) > maxSize {
		return nil, fmt.Errorf("the record is %d bytes long, more than %d", len(data), maxSize)
	}
	return data, nil
}

// header returns the first line of a file whose second line is line.
func header(line []byte) []byte {
	return fmt.Appendf(nil, "%s %d crc32c %08x\n", magic, version, crc32.Checksum(line, castagnoli))
}

// decode is the inverse of encode. It accepts exactly what encode returns, byte for
// byte; the error for anything else is a [badFile].
func decode(data []byte) (Record, error) {
	if len(data) == 0 {
		return Record{}, badFile("it is empty")
	}
	head, line, found := bytes.Cut(data, []byte("\n"))
	if err := checkVersion(string(head), found); err != nil {
		return Record{}, err
	}
	if !bytes.Equal(data[:len(head)+1], header(line)) {
		return Record{}, badFile("its checksum does not match its content")
	}
	var b body
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return Record{}, badFile("its content is not a record: " + shorten(err.Error()))
	}
	// The one test that leaves no room: duplicate keys, other spellings, trailing data
	// and times outside UTC all encode to something else.
	again, err := encode(Record(b))
	if err != nil || !bytes.Equal(again, data) {
		return Record{}, badFile("its content is not written as rouse writes it")
	}
	return Record(b), nil
}

// checkVersion looks at the words of a header that say whose file it is and in which
// format. The rest of the header is compared as a whole, once the format is known.
func checkVersion(head string, complete bool) error {
	rest, ok := strings.CutPrefix(head, magic+" ")
	if !ok {
		return badFile("it is not a state file of rouse")
	}
	if !complete {
		return badFile("it ends within its first line")
	}
	word, _, _ := strings.Cut(rest, " ")
	v, err := strconv.ParseUint(word, 10, 32)
	switch {
	case err != nil || v == 0:
		return badFile("its format has no valid number")
	case v > version:
		return badFile(fmt.Sprintf("it has format %d, of a newer rouse; this one knows format %d", v, version))
	}
	return nil
}

// shorten cuts a text of unknown length, for use in an error.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
