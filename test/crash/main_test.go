//go:build unix

package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The programs under test, built by TestMain.
var rouse, cloudHook string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rouse-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	rouse, cloudHook = filepath.Join(dir, "rouse"), filepath.Join(dir, "fakecloud")
	for _, args := range [][]string{
		{"build", "-tags", "failpoint", "-o", rouse, "../../cmd/rouse"},
		{"build", "-o", cloudHook, "../fakecloud"},
	} {
		build := exec.Command("go", args...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", args[len(args)-1], err, out)
			return 1
		}
	}
	return m.Run()
}
