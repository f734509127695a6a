package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestResultOfAStartHookIsParsedStrictly(t *testing.T) {
	label := strings.Repeat("a", 63)
	for text, want := range map[string]string{
		"":                                            "",
		"\n \n\t\n":                                   "",
		"zone=a\n":                                    "",
		"address=192.0.2.7":                           "192.0.2.7",
		"  address = 192.0.2.7:80 \n":                 "192.0.2.7:80",
		"address=2001:DB8::0:1":                       "2001:db8::1",
		"address=[2001:db8::1]":                       "2001:db8::1",
		"address=[2001:db8::1]:65535":                 "[2001:db8::1]:65535",
		"address=::1":                                 "::1",
		"address=fe80::1%eth0.5":                      "fe80::1%eth0.5",
		"address=[fe80::1%eth0]:80":                   "[fe80::1%eth0]:80",
		"address=vm-7.example.org":                    "vm-7.example.org",
		"address=vm_7.example.org.:80":                "vm_7.example.org.:80",
		"address=localhost:1":                         "localhost:1",
		"address=3com.example:1":                      "3com.example:1",
		"address=" + label + ".org":                   label + ".org",
		"address=" + label + "a.org":                  "error",
		"address=" + strings.Repeat("a.", 126) + "ab": "error",
		"address":                                     "error",
		"address=":                                    "error",
		"address= ":                                   "error",
		"address=a\naddress=a":                        "error",
		"zone=a\nzone=b":                              "error",
		"=a":                                          "error",
		"Address=a":                                   "error",
		"7=a":                                         "error",
		"export address=a":                            "error",
		strings.Repeat("k", 65) + "=a":                "error",
		"# a comment":                                 "error",
		"address=a\r\n":                               "error",
		"address=a\x00":                               "error",
		"address=a b":                                 "error",
		"address='a'":                                 "error",
		"address=a=b":                                 "error",
		"address=http://a/":                           "error",
		"address=a:":                                  "error",
		"address=a:0":                                 "error",
		"address=a:080":                               "error",
		"address=a:+80":                               "error",
		"address=a:65536":                             "error",
		"address=a:http":                              "error",
		"address=:80":                                 "error",
		"address=[]:80":                               "error",
		"address=[::1":                                "error",
		"address=[::1]80":                             "error",
		"address=[::1]:":                              "error",
		"address=[a]:80":                              "error",
		"address=[192.0.2.7]:80":                      "error",
		"address=[[::1]]:80":                          "error",
		"address=1:2:3":                               "error",
		"address=192.0.2.256":                         "error",
		"address=192.0.2":                             "error",
		"address=0.0.0.0":                             "error",
		"address=[::]:80":                             "error",
		"address=255.255.255.255":                     "error",
		"address=224.0.0.1":                           "error",
		"address=ff02::1":                             "error",
		"address=::ffff:0.0.0.0":                      "error",
		"address=fe80::1%e h":                         "error",
		"address=-a.org":                              "error",
		"address=a-.org":                              "error",
		"address=a..org":                              "error",
		"address=.":                                   "error",
		"address=caf\u00e9.org":                       "error",
		strings.Repeat("\n", largestResult):           "",
		strings.Repeat("\n", largestResult+1):         "error",
	} {
		got, _, err := parseResult([]byte(text))
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%.60q gives %q, %v, want %q", text, got, err, want)
		}
	}
	if _, unknown, err := parseResult([]byte("zone=a\naddress=b\nid-2=\n")); err != nil || strings.Join(unknown, " ") != "zone id-2" {
		t.Errorf("unknown keys are %q, %v", unknown, err)
	}
}

// FuzzParseOutput proves that whatever stands in ROUSE_OUTPUT, what is accepted is
// an address that can be dialled, and in one form only.
func FuzzParseOutput(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		address, unknown, err := parseResult(b)
		if err != nil {
			if address != "" || unknown != nil || !safe(err.Error()) || len(err.Error()) > 1<<10 {
				t.Errorf("%q, %q and error %q", address, unknown, err)
			}
			return
		}
		if address == "" {
			return
		}
		again, err := parseAddress(address)
		if err != nil || again != address {
			t.Errorf("%q is read again as %q, %v", address, again, err)
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			host, port = address, "1"
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			t.Errorf("port %q", port)
		}
		if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/[]'\"`$\\", r) }) {
			t.Errorf("host %q", host)
		}
	})
}

// safe says whether a terminal and a log take s as one line of text.
func safe(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r != ' ' && !unicode.IsGraphic(r)
	})
}

func TestSanitize(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"naïve 日本語 😀":                 "naïve 日本語 😀",
		"a\tb\u00a0c":                 "a b c",
		"a\x00\x01\x7f\u0085b":        "a\uFFFDb",
		"a\uFFFD\uFFFDb":              "a\uFFFDb",
		"\xff\xfe":                    "\uFFFD",
		"\x1b[1;31mred\x1b[m":         "red",
		"\x1b]0;title\x07a":           "a",
		"\x1b]8;;http://x\x1b\\a":     "a",
		"\x1b]never ended":            "never ended",
		"\x1b[\x1b[2Ja":               "a",
		"\x1b[1\nb":                   "1\uFFFDb",
		"\x1b(Ba\x1bcb\x1b7":          "ab",
		"\x1b":                        "",
		"\x1b\x1b\x1b":                "",
		"\x1b[":                       "",
		"\x1b(":                       "",
		"a\u202eb\u200b\u2028c":       "a\uFFFDb\uFFFDc",
		"\u009b31mred":                "\uFFFD31mred",
		"1234567890123456789012345":   "1234567890123456789012345",
		"12345678901234567890123456":  "1234567890123456789012345…",
		"1234567890123456789012345\n": "1234567890123456789012345…",
		"123456789012345678901234é":   "123456789012345678901234…",
	} {
		if got := sanitize([]byte(text), 25); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, limit uint8) {
		text := sanitize(bytes.Clone(b), int(limit))
		if !safe(text) || len(text) > int(limit)+len(more) {
			t.Errorf("%q becomes %q", b, text)
		}
		if again := sanitize([]byte(text), int(limit)); again != text {
			t.Errorf("%q becomes %q, and that %q", b, text, again)
		}
	})
}

// FuzzParseRecord proves that no record makes us signal ourselves, init or every
// process.
func FuzzParseRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if r.PID <= 1 || r.PID == os.Getpid() || r.Start == 0 {
			t.Errorf("accepted: %+v", r)
		}
		if left, limited := r.left(); limited && left > r.Deadline.Sub(r.Began) {
			t.Errorf("%v are left of %+v", left, r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// FuzzTail proves that the log and the quotation stay within bounds, whatever is
// written and however it is cut into pieces.
func FuzzTail(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, piece uint16) {
		var log bytes.Buffer
		tail := tail{log: slog.New(slog.NewJSONHandler(&log, nil))}
		for rest := b; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			tail.feed(rest[:n])
			rest = rest[n:]
		}
		tail.finish()
		whole := tail.quote()
		if !safe(whole) || len(whole) > lastBytes+len(more) || len(tail.last) > lastBytes {
			t.Errorf("quotation of %d bytes: %q", len(whole), whole)
		}
		if lines := bytes.Count(log.Bytes(), []byte{'\n'}); lines > maxLines+1 || tail.logged > maxLogged {
			t.Errorf("%d lines and %d bytes are logged", lines, tail.logged)
		}
		if len(b) <= lastBytes && !bytes.HasSuffix(b, tail.last) {
			t.Errorf("%q is remembered of %q", tail.last, b)
		}
	})
}

func TestTailKeepsUpWithAnyBacklogAndFindsTheEnd(t *testing.T) {
	file, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var log bytes.Buffer
	tail := tail{file: file, log: slog.New(slog.NewTextHandler(&log, nil))}
	if _, err := file.WriteString("first\n"); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(1 << 40); err != nil { // a hole: nobody reads that
		t.Skipf("this file system has no large sparse files: %v", err)
	}
	if _, err := file.WriteString("\nlast\nhalf"); err != nil {
		t.Fatal(err)
	}
	tail.poll()
	if size := sizeOf(file); size != 0 {
		t.Errorf("%d bytes are left", size)
	}
	if _, err := file.WriteString(" done\n"); err != nil {
		t.Fatal(err)
	}
	tail.finish()
	if got := tail.quote(); got != "last | half done" {
		t.Errorf("the end is %q", got)
	}
	for _, want := range []string{"line=first\n", "line=last\n", "line=\"half done\"\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%.500s", want, &log)
		}
	}
}

func TestTailLogsNoMoreThanItsBytes(t *testing.T) {
	var log bytes.Buffer
	tail := tail{log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 100 {
		tail.feed(append(bytes.Repeat([]byte{'x'}, longestLine), '\n'))
	}
	if tail.logged != maxLogged || strings.Count(log.String(), "hook output suppressed") != 1 {
		t.Errorf("%d bytes are logged:\n%.200s", tail.logged, &log)
	}
}

func TestDurationsInErrorsAreThoseThatWereMeant(t *testing.T) {
	for d, want := range map[time.Duration]string{
		5*time.Minute - 400*time.Microsecond: "5m0s",
		time.Second - 30*time.Microsecond:    "1s",
		1500 * time.Millisecond:              "1.5s",
		49900 * time.Microsecond:             "50ms",
		0:                                    "0s",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v becomes %s, want %s", d, got, want)
		}
	}
}

func TestFailureShowsItsCauseWithoutRepeatingIt(t *testing.T) {
	err := hook{event: "stop", argv: []string{"/x"}}.failed(&failure{text: "no", causes: []error{context.Canceled}})
	if !errors.Is(err, context.Canceled) || err.Error() != `running stop hook "/x": no` {
		t.Errorf("error is %v", err)
	}
}
