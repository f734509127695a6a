package state

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDecodeReturnsWhatWasEncoded(t *testing.T) {
	for _, r := range []Record{
		sample(),
		{Target: "x"},
		{Target: "<&>\u2028\"\\\x00 é", Address: "\n"},
		{Target: "old", Since: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		data, err := encode(r)
		check(t, err)
		got, err := decode(data)
		if err != nil || got != r {
			t.Errorf("decode(encode(%+v)) = %+v, %v", r, got, err)
		}
	}
}

func TestTimesAreKeptInUTC(t *testing.T) {
	r := sample()
	r.Since = r.Since.In(time.FixedZone("east", 2*60*60))
	data, err := encode(r)
	check(t, err)
	if got, err := decode(data); err != nil || got != sample() {
		t.Errorf("got %+v, %v, want the time in UTC", got, err)
	}
}

func TestEncodeRefusesWhatItCouldNotReadBack(t *testing.T) {
	for name, r := range map[string]Record{
		"no name":      {},
		"invalid name": {Target: "a\xff"},
		"invalid addr": {Target: "a", Address: "\xff"},
		"too large":    {Target: "a", Address: strings.Repeat("x", maxSize)},
		"late year":    {Target: "a", Since: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if data, err := encode(r); err == nil {
			t.Errorf("%s: encode accepted it: %.80q", name, data)
		}
	}
}

// sealed returns a file whose header is right for the line.
func sealed(line string) []byte {
	return append(header([]byte(line)), line...)
}

func TestDecodeRefusesContentThatRouseDoesNotWrite(t *testing.T) {
	const good = `{"target":"a","may_run":true,"epoch":1,"since":"0001-01-01T00:00:00Z",` +
		`"last_used":"0001-01-01T00:00:00Z","in_use":false,"address":""}` + "\n"
	if _, err := decode(sealed(good)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, line := range map[string]string{
		"unknown field":    swap(`"target"`, `"colour":"red","target"`),
		"duplicate field":  swap(`"target":"a"`, `"target":"b","target":"a"`),
		"missing field":    swap(`"in_use":false,`, ``),
		"capital field":    swap(`"target"`, `"Target"`),
		"wrong type":       swap(`:true`, `:"yes"`),
		"negative epoch":   swap(`:1,`, `:-1,`),
		"huge epoch":       swap(`:1,`, `:18446744073709551616,`),
		"time zone":        swap(`:00Z"`, `:00+01:00"`),
		"not a time":       swap(`0001-01-01T00:00:00Z`, `yesterday`),
		"no name":          swap(`"a"`, `""`),
		"null":             "null\n",
		"array":            "[]\n",
		"two records":      good + good,
		"trailing garbage": good + "x",
		"no newline":       strings.TrimSuffix(good, "\n"),
		"spaces":           " " + good,
		"nothing":          "",
		"deep nesting":     strings.Repeat("[", maxSize-100),
		"invalid UTF-8":    swap(`"a"`, "\"a\xff\""),
	} {
		if r, err := decode(sealed(line)); !isBad(err) {
			t.Errorf("%s: got %+v, %v, want a bad file", name, r, err)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	data, err := encode(sample())
	check(t, err)
	for want, damaged := range map[string][]byte{
		"it is empty":                          {},
		"not a state file of rouse":            make([]byte, len(data)),
		"ends within its first line":           data[:len(magic)+3],
		"no valid number":                      []byte(magic + " 0 crc32c 00000000\n"),
		"format 2, of a newer rouse":           []byte(magic + " 2 sha256 1\nwhatever\n"),
		"its checksum does not match":          bytes.Replace(data, []byte("web"), []byte("wet"), 1),
		`unknown field "colour"`:               sealed(`{"colour":"red"}` + "\n"),
		"not written as rouse writes it":       sealed(`{"target":"a"}` + "\n"),
		"it has format 4294967295, of a newer": []byte(magic + " 4294967295\n"),
	} {
		_, err := decode(damaged)
		wantText(t, err, want)
	}
}

// isBad reports whether the error is that of a file that Save did not write.
func isBad(err error) bool {
	_, ok := errors.AsType[badFile](err)
	return ok
}

// A damage is a way to spoil the content of a good file.
type damage struct {
	name string
	data []byte
}

// damages returns some hundred ways to spoil a good file: cut at each byte, each byte
// changed in three ways, a run of zeros from each byte on, and content from elsewhere.
func damages(good []byte) []damage {
	var all []damage
	add := func(name string, data []byte) { all = append(all, damage{name, data}) }
	for i := range good {
		add(fmt.Sprintf("cut at %d", i), bytes.Clone(good[:i]))
		for _, mask := range []byte{0x01, 0x20, 0xff} {
			flipped := bytes.Clone(good)
			flipped[i] ^= mask
			add(fmt.Sprintf("byte %d xor %#x", i, mask), flipped)
		}
		zeros := bytes.Clone(good)
		clear(zeros[i:])
		add(fmt.Sprintf("zeros from %d", i), zeros)
		zeros = bytes.Clone(good)
		clear(zeros[:i+1])
		add(fmt.Sprintf("zeros up to %d", i), zeros)
	}
	add("a byte more", append(bytes.Clone(good), '\n'))
	add("twice", bytes.Repeat(good, 2))
	add("foreign text", []byte("[Unit]\nDescription=rouse\n"))
	add("foreign binary", []byte("\x7fELF\x02\x01\x01"))
	add("byte order mark", append([]byte("\ufeff"), good...))
	add("other line ends", bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	add("newer version", bytes.Replace(good, []byte(" 1 "), []byte(" 2 "), 1))
	add("odd version", bytes.Replace(good, []byte(" 1 "), []byte(" 01 "), 1))
	add("one byte too large", bytes.Repeat([]byte{'x'}, maxSize+1))
	add("huge", make([]byte, 4*maxSize))
	return all
}

func FuzzDecode(f *testing.F) {
	good, err := encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, d := range damages(good)[:200] {
		f.Add(d.data)
	}
	f.Add(sealed("null\n"))
	f.Add(sealed(`{"target":"a"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			if !isBad(err) || err.Error() == "" {
				t.Fatalf("the error is %T %q, want a badFile with a reason", err, err)
			}
			return
		}
		again, err := encode(r)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted %q, which encodes to %q, %v", data, again, err)
		}
	})
}

// FuzzDecodeSealed gets past the checksum, which a fuzzer does not guess.
func FuzzDecodeSealed(f *testing.F) {
	good, err := encode(sample())
	if err != nil {
		f.Fatal(err)
	}
	_, line, _ := bytes.Cut(good, []byte("\n"))
	f.Add(line)
	f.Add([]byte(`{"target":"a","target":"b"}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		data := append(header(line), line...)
		r, err := decode(data)
		if err != nil {
			return
		}
		if again, err := encode(r); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted %q, which encodes to %q, %v", data, again, err)
		}
	})
}
