//go:build unix

package examples

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootLimit is how long a guest may take until it serves, emulated on a busy machine.
const bootLimit = 3 * time.Minute

// needsVM skips a test that boots a real machine where that cannot be done.
func needsVM(t *testing.T) {
	t.Helper()
	if os.Getenv("ROUSE_TEST_VM") == "0" {
		t.Skip("ROUSE_TEST_VM=0 forbids booting a virtual machine")
	}
	if testing.Short() {
		t.Skip("booting a virtual machine is not short")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the guest is built from Debian's packages for amd64")
	}
	needs(t, "qemu-system-x86_64", "perl", "flock", "apt-get", "apt-cache", "dpkg-deb")
}

// newVM prepares the hooks for a machine with a folder and ports of its own. Its QEMU
// is ended with the test, whatever happens.
func newVM(t *testing.T, vmDir string) (k *kit, web, banner string) {
	k = newKit(t, "qemu")
	web, banner = freePort(t), freePort(t)
	k.env["VM_DIR"], k.env["RUN_DIR"] = vmDir, t.TempDir()
	k.env["FORWARDS"] = web + ":8080 " + banner + ":7001"
	k.env["ACCEL"], k.env["GRACE"] = "tcg", "120"
	t.Cleanup(func() {
		if pid, ok := k.vmPid(); ok {
			t.Errorf("QEMU %d was left behind", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return k, "http://127.0.0.1:" + web, "127.0.0.1:" + banner
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// vmPid is the process id of a QEMU of k that lives; a zombie has no arguments.
func (k *kit) vmPid() (pid int, ok bool) {
	text, err := os.ReadFile(filepath.Join(k.env["RUN_DIR"], "qemu.pid"))
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid, err == nil && strings.Contains(string(args), k.env["RUN_DIR"])
}

// waitForBoot waits until the guest answers, and returns the id of its boot.
func waitForBoot(t *testing.T, web string) (boot string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, bootLimit, "the guest to answer", func() bool {
		res, err := client.Get(web + "/cgi-bin/boot")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		boot, _, _ = strings.Cut(string(body), " ")
		return err == nil && res.StatusCode == http.StatusOK && strings.HasPrefix(boot, "boot=")
	})
	return boot
}

func TestVM(t *testing.T) {
	needsVM(t)
	vmDir := t.TempDir()
	builder, _, _ := newVM(t, vmDir)
	switch code, printed := builder.runProgram(t, "build", "./build.sh"); {
	case code != 0 && strings.Contains(printed, "cannot download the package"):
		t.Skipf("Debian's packages cannot be had here:\n%s", printed)
	case code != 0:
		t.Fatalf("build.sh: exit status %d\n%s", code, printed)
	}
	t.Run("boots, serves and shuts down", func(t *testing.T) { testVMLife(t, vmDir) })
	t.Run("is stopped while it boots", func(t *testing.T) { testVMStoppedEarly(t, vmDir) })
	t.Run("that ignores the power button loses power", func(t *testing.T) { testVMDeaf(t, vmDir) })
	t.Run("killed behind its back is off and boots again", func(t *testing.T) { testVMKilled(t, vmDir) })
}

func testVMLife(t *testing.T, vmDir string) {
	k, web, banner := newVM(t, vmDir)
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.want(t, "status", 0)
	pid, _ := k.vmPid()
	wantNoLock(t, pid, k.env["RUN_DIR"])
	boot := waitForBoot(t, web)
	k.want(t, "start", 0)
	if again := waitForBoot(t, web); again != boot {
		t.Errorf("the second start booted the guest anew: %s, then %s", boot, again)
	}
	wantBanner(t, banner, "HELLO "+boot)
	k.want(t, "stop", 0)
	if pid, alive := k.vmPid(); alive {
		t.Errorf("stop returned while QEMU %d still ran", pid)
	}
	wantConsole(t, k, "guest: power button")
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
}

// wantNoLock checks that QEMU holds no descriptor of the hooks' lock: it would keep
// every later hook waiting.
func wantNoLock(t *testing.T, pid int, runDir string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("QEMU %d has no descriptors to look at: %v", pid, err)
	}
	for _, fd := range fds {
		if file, err := os.Readlink(fd); err == nil && file == filepath.Join(runDir, "lock") {
			t.Errorf("QEMU holds the lock as %s", fd)
		}
	}
}

func wantBanner(t *testing.T, address, want string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, want) {
		t.Errorf("the guest said %q (%v), want %q", line, err, want)
	}
}

func wantConsole(t *testing.T, k *kit, want string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.env["RUN_DIR"], "console.log"))
	if err != nil || !strings.Contains(string(text), want) {
		t.Errorf("the console shows %q (%v), want %q in it", text, err, want)
	}
}

// A guest that is not up yet misses the first press of its button.
func testVMStoppedEarly(t *testing.T, vmDir string) {
	k, _, _ := newVM(t, vmDir)
	k.want(t, "start", 0)
	k.want(t, "stop", 0)
	wantConsole(t, k, "guest: power button")
	k.want(t, "status", 3)
}

func testVMDeaf(t *testing.T, vmDir string) {
	k, web, _ := newVM(t, vmDir)
	k.env["GUEST"], k.env["GRACE"] = "guest.deaf=1", "1"
	k.want(t, "start", 0)
	waitForBoot(t, web)
	k.want(t, "stop", 0, "pulling the plug")
	k.want(t, "status", 3)
}

func testVMKilled(t *testing.T, vmDir string) {
	k, web, _ := newVM(t, vmDir)
	k.want(t, "start", 0)
	first := waitForBoot(t, web)
	pid, alive := k.vmPid()
	if !alive {
		t.Fatal("QEMU is not there")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "QEMU to be gone", func() bool { _, alive := k.vmPid(); return !alive })
	k.want(t, "status", 3)
	k.want(t, "start", 0)
	if second := waitForBoot(t, web); second == first {
		t.Errorf("the guest has the same boot after a crash: %s", second)
	}
	k.want(t, "stop", 0)
}

func TestVMWithoutAKernelSaysWhatToDo(t *testing.T) {
	t.Parallel()
	needs(t, "perl", "flock")
	k := newKit(t, "qemu")
	k.env["VM_DIR"], k.env["QEMU"] = t.TempDir(), "true"
	k.want(t, "start", 1, "build.sh")
	k.env["QEMU"] = "/nonexistent/qemu"
	k.want(t, "start", 1, "qemu-system-x86")
}
