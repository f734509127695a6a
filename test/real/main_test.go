//go:build linux

package real

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	rouse string // the program under test
	root  string // folder of everything that the tests write
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// testMain builds rouse, runs the tests, and fails when they leave a process behind.
func testMain(m *testing.M) (code int) {
	var err error
	if root, err = os.MkdirTemp("", "rouse-real-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(root)
	// Servers run as another user, who must get to their own folders in it.
	if err := os.Chmod(root, 0o711); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	rouse = filepath.Join(root, "rouse")
	if out, err := exec.Command("go", "build", "-o", rouse, "../../cmd/rouse").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building rouse: %v\n%s", err, out)
		return 1
	}
	code = m.Run()
	for _, p := range processesIn(root) {
		fmt.Fprintf(os.Stderr, "left behind: %v\n", p)
		p.end()
		code = 1
	}
	return code
}
