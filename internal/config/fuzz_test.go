package config

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"90s", "30m", "1h30m", "60", "0", "-5m", "1.5", "30 min", "1d", "PT30M", "9223372036854775807", "1:30",
		"１s", "", "+", ".", "1e9h", "\xff", "never"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if err.Error() == "" || strings.ContainsAny(err.Error(), "\n\x00") || d != 0 {
				t.Fatalf("ParseDuration(%q) = %v, %q", s, d, err)
			}
			return
		}
		again, err := ParseDuration(formatDuration(d))
		if err != nil || again != d {
			t.Fatalf("%v is written as %q and read as %v, %v", d, formatDuration(d), again, err)
		}
	})
}

func FuzzFormatDuration(f *testing.F) {
	f.Add(int64(time.Hour))
	f.Add(int64(90 * time.Second))
	f.Fuzz(func(t *testing.T, n int64) {
		s := formatDuration(time.Duration(n))
		if d, err := time.ParseDuration(s); err != nil || d != time.Duration(n) {
			t.Fatalf("%d is written as %q, which is %v, %v", n, s, d, err)
		}
	})
}

// FuzzFromFlags reads a command line of name=value pairs with a \x1e between them.
func FuzzFromFlags(f *testing.F) {
	const sep = "\x1e"
	f.Add(strings.Join(right, sep))
	f.Add(strings.Join(append(right, "probe=http:/x", "proxy-ip=::", "hook-env=A=b", "cooldown-period=1h"), sep))
	for _, line := range []string{
		"target-ip=fe80::1%x target-port=1 hook-start-svc=a hook-stop-svc=b probe=/\x00",
		"target-ip=localhost probe=http:a\rb settle=1:30 proxy-port=ssh log-level=warning state-dir=''",
		"target-ip=http://a:b@c:80 target-port=080 target-name=ä hook-env=A\x00 hook-env==x on-exit=",
	} {
		f.Add(strings.ReplaceAll(line, " ", sep))
	}
	f.Fuzz(func(t *testing.T, lines string) {
		var flags Flags
		defs := flags.Definitions()
		for line := range strings.SplitSeq(lines, sep) {
			name, value, _ := strings.Cut(line, "=")
			for _, d := range defs {
				if d.Name == name {
					_ = d.Set(value)
				}
			}
		}
		c, err := FromFlags(flags)
		checkProblems(t, err)
		if (c == nil) != (err != nil) {
			t.Fatalf("got %+v and %v", c, err)
		}
		if c == nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		checkFile(t, c, lines)
		if dir, err := c.StateDir(func(string) string { return "/h" }); err != nil || dir == "" {
			t.Fatalf("StateDir = %q, %v", dir, err)
		}
	})
}

func FuzzNearest(f *testing.F) {
	f.Add("taget-ip")
	f.Add("--\xff")
	f.Fuzz(func(t *testing.T, word string) {
		candidates := []string{"target-ip", "target-port", "tcp", "\xff"}
		if got := Nearest(word, candidates); got != "" && !strings.Contains(strings.Join(candidates, " "), got) {
			t.Fatalf("Nearest(%q) = %q", word, got)
		}
	})
}

// FuzzEachFlag gives one flag any value, beside others that are right.
func FuzzEachFlag(f *testing.F) {
	for i := range new(Flags).Definitions() {
		for _, value := range []string{"", "vm.lan:80", "http:/a?b", "/x y", "1h 30", "'a'", "fe80::1%2", "A=b", "\xff@\x00", "::", "0.5", "-1e9"} {
			f.Add(uint8(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		defs := new(Flags).Definitions()
		name := defs[int(i)%len(defs)].Name
		c, err := FromFlags(parse(t, withRight(name+"="+value)...))
		checkProblems(t, err)
		if c == nil && err == nil {
			t.Fatal("neither a Config nor an error")
		}
		if c != nil {
			checkFile(t, c, value)
		}
	})
}

// checkFile writes the file that says what the Config says, which YAML reads again and compares. Only what is no text cannot
// be said in one.
func checkFile(t *testing.T, c *Config, from string) {
	t.Helper()
	if _, err := c.YAML(); err != nil && utf8.ValidString(from) {
		t.Fatalf("%+v cannot be said in a file: %v", c, err)
	}
}
