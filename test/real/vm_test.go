//go:build linux

package real

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	vmHooks = "../../examples/qemu"
	vmLimit = 4 * time.Minute // a boot, or a way down, emulated on a busy machine
)

// newVM builds a guest and returns the environment for its hooks, and its folder.
func newVM(t *testing.T, port string) (env []string, dir string) {
	t.Helper()
	if os.Getenv("ROUSE_TEST_VM") == "0" {
		t.Skip("ROUSE_TEST_VM=0 forbids booting a virtual machine")
	}
	if testing.Short() {
		t.Skip("booting a virtual machine is not short")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the guest is built from Debian's packages for amd64")
	}
	need(t, "qemu-system-x86_64", "qemu-system-x86", "curl", "curl", "perl", "perl", "flock", "util-linux",
		"apt-get", "apt", "apt-cache", "apt", "dpkg-deb", "dpkg")
	dir = newDir(t)
	env = []string{"VM_DIR=" + dir, "RUN_DIR=" + filepath.Join(dir, "run"), "FORWARDS=" + port + ":8080", "ACCEL=tcg", "GRACE=180"}
	build := exec.CommandContext(t.Context(), filepath.Join(vmHooks, "build.sh"))
	build.Env = append(os.Environ(), env...)
	switch said, err := build.CombinedOutput(); {
	case err != nil && bytes.Contains(said, []byte("cannot download the package")):
		t.Skipf("Debian's packages cannot be had here:\n%s", said)
	case err != nil:
		t.Fatalf("building the guest: %v\n%s", err, said)
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(dir, "run", "console.log")); err == nil && t.Failed() {
			t.Logf("the guest's console:\n%s", text)
		}
	})
	return env, dir
}

// vmStatus is the exit status of the status hook.
func vmStatus(t *testing.T, env []string) int {
	t.Helper()
	cmd := command(t, nil, filepath.Join(vmHooks, "status.sh"))
	cmd.Env = append(os.Environ(), env...)
	_ = cmd.Run() // its exit status is the answer
	return cmd.ProcessState.ExitCode()
}

// qemuPid is the process of the machine, which must run.
func qemuPid(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "run", "qemu.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !alive(pid) {
		t.Fatalf("QEMU's process is %q, which does not run", text)
	}
	return pid
}

// get asks the guest through rouse for a page, and waits for as long as a boot takes.
func get(t *testing.T, p *proxy, page string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", "--silent", "--show-error", "--fail", "--noproxy", "*",
		"--max-time", strconv.Itoa(int(vmLimit.Seconds())), "http://127.0.0.1:"+p.port+page)
	stdout, _ := run(t, cmd)
	return stdout
}

// QEMU's port forward accepts connections for a guest that still boots. Only a page
// that the guest serves proves that it is up.
func TestCurlBootsAVirtualMachineWhichIsShutDownAgain(t *testing.T) {
	port := freePort(t)
	env, dir := newVM(t, port)
	flags := []string{"--probe=http:/", "--cooldown-period=2s", "--start-timeout=4m", "--stop-timeout=4m"}
	for _, e := range env {
		flags = append(flags, "--hook-env="+e)
	}
	if code := vmStatus(t, env); code != 3 {
		t.Fatalf("before the first client the status hook says %d, want 3", code)
	}
	p := start(t, setup{hooks: vmHooks, dir: dir, port: port, flags: flags})

	at := p.now()
	first := get(t, p, "/cgi-bin/boot")
	if !strings.HasPrefix(first, "boot=") {
		t.Fatalf("curl got %q", first)
	}
	at = p.await(t, at, "state changed", "to", "ready")
	if n := p.count(0, at, "client connected"); n != 0 {
		t.Error("a client was connected before the machine was ready")
	}
	// A client that says nothing keeps the machine up while we look at it.
	silent, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at = p.await(t, at, "client connected", "client", silent.LocalAddr().String())
	pid := qemuPid(t, dir)
	if code := vmStatus(t, env); code != 0 {
		t.Errorf("while it serves, the status hook says %d, want 0", code)
	}
	if again := get(t, p, "/cgi-bin/boot"); strings.Fields(again)[0] != strings.Fields(first)[0] {
		t.Errorf("the second page comes from another boot: %q, then %q", first, again)
	}
	if page := get(t, p, "/"); page != "a tiny guest\n" {
		t.Errorf("curl got %q for the page", page)
	}
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	wantPoweredDown(t, p, at, dir, pid)
	if code := vmStatus(t, env); code != 3 {
		t.Errorf("in the end the status hook says %d, want 3", code)
	}
}

// wantPoweredDown waits until rouse has stopped the machine, and checks that the guest
// has shut itself down.
func wantPoweredDown(t *testing.T, p *proxy, from int, dir string, pid int) {
	t.Helper()
	p.awaitFor(t, vmLimit, from, "state changed", "to", "stopped")
	if alive(pid) {
		t.Errorf("rouse says that the machine is stopped, but QEMU's process %d is alive", pid)
	}
	p.wantAsleep(t)
	console, err := os.ReadFile(filepath.Join(dir, "run", "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"guest: power button", "reboot: Power down"} {
		if !bytes.Contains(console, []byte(want)) {
			t.Errorf("the guest's console does not say %q", want)
		}
	}
	if n := p.count(from, p.now(), "hook output", "hook", "stop"); n != 0 {
		t.Errorf("the stop hook had to say something, which it does when it pulls the plug")
	}
}
