package state

import (
	"strings"
	"testing"
)

func TestFileNamesAreSafeAndDistinct(t *testing.T) {
	long := strings.Repeat("a", maxName)
	targets := []string{
		"", ".", "..", "a", "A", "web", "Web", "web:8000", "web%3a8000", "[::1]:80", "a/b", `a\b`, "../../etc/passwd",
		"con", "CON", "con.x", "nul", "com1", "lpt9", "com", "a.state", "a.state.bad-20250101T000000.000000000Z",
		"a.state.aaaaaaaaaaaaaaaaaaaaaaaaaa.tmp", ".hidden", "a b", "a\nb", "a\x00b", "\u00e9", "e\u0301", "lock", "a~b", "*?<>|\"",
		long, long + "a", long + "b", strings.Repeat("/", 40), strings.Repeat("A", 300), strings.Repeat("A", 301),
	}
	seen := map[string]string{}
	for _, target := range targets {
		name := fileName(target)
		if other, dup := seen[strings.ToLower(name)]; dup {
			t.Errorf("%q and %q have the same file %q", target, other, name)
		}
		seen[strings.ToLower(name)] = target
		if len(name) > maxName+len(fileSuffix) {
			t.Errorf("the file name of %.20q is %d bytes long", target, len(name))
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789%._~-") != "" || !strings.HasSuffix(name, fileSuffix) {
			t.Errorf("the file name of %q is %q", target, name)
		}
		if stem := strings.TrimSuffix(name, fileSuffix); isDevice(stem) || strings.HasPrefix(stem, ".") {
			t.Errorf("the file name of %q is %q, which is special to some system", target, name)
		}
	}
}

func TestPlainNamesStayReadable(t *testing.T) {
	for target, want := range map[string]string{
		"web":                 "web.state",
		"192.168.100.15:8000": "192.168.100.15%3a8000.state",
		"my-vm_2.lan":         "my-vm_2.lan.state",
	} {
		if got := fileName(target); got != want {
			t.Errorf("fileName(%q) = %q, want %q", target, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("web", "Web")
	f.Add("a/b", "a%2fb")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := fileName(a), fileName(b)
		if a != b && strings.EqualFold(x, y) {
			t.Fatalf("%q and %q have the same file %q", a, b, x)
		}
		if strings.ContainsAny(x, "/\\:\x00 ") || len(x) > maxName+len(fileSuffix) {
			t.Fatalf("the file name of %q is %q", a, x)
		}
	})
}
