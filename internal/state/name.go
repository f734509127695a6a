package state

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	fileSuffix = ".state"
	lockName   = "lock"
	maxName    = 100 // longest escaped name of a target in a file name, in bytes
	keptPrefix = 60  // bytes of it that stay readable when it is longer
)

// Stem returns what the names of a target's files begin with, here and wherever others
// keep something of it. Different targets have different stems, also where the file system
// ignores case, and none is special to any system.
func Stem(target string) string {
	stem := escape(target)
	if len(stem) > maxName {
		sum := sha256.Sum256([]byte(target))
		stem = fmt.Sprintf("%s~%x", stem[:keptPrefix], sum[:16]) // escape never yields a tilde
	}
	return stem
}

// fileName returns the name of the file that keeps a target's record.
func fileName(target string) string { return Stem(target) + fileSuffix }

// escape writes every byte of name that is not plain as %xx. Capitals are not plain:
// "Web" and "web" would be one file on macOS and Windows. Nor is a leading dot, which
// hides a file, nor the first letter of what Windows takes for a device.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0
		if !plain || i == 0 && isDevice(name) {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isDevice reports whether Windows takes a file of this name for a device, with
// whatever extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt"))
}
