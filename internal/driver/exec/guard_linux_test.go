package exec

import (
	"os"
	osexec "os/exec"
	"strings"
	"testing"
)

func TestGuardFindsWhoCouldReplaceAFile(t *testing.T) {
	dir := t.TempDir()
	file := writeHook(t, mkdir(t, dir+"/open", 0o777)+"/rouse.yaml", []byte("x"), 0o600)
	if _, err := Guard(file); err == nil || !strings.Contains(err.Error(), "can be replaced by anyone, who may write to folder") {
		t.Errorf("the error is %v", err)
	}
	group := writeHook(t, mkdir(t, dir+"/group", 0o770)+"/rouse.yaml", []byte("x"), 0o600)
	if warnings, err := Guard(group); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "can be replaced by the group") {
		t.Errorf("the warnings are %q, %v", warnings, err)
	}
	for _, fine := range []string{writeHook(t, dir+"/rouse.yaml", []byte("x"), 0o600), "/proc/self/fd/0", "/dev/stdin", dir + "/none"} {
		if warnings, err := Guard(fine); err != nil || len(warnings) > 0 {
			t.Errorf("%s: %q, %v", fine, warnings, err)
		}
	}
	if os.Geteuid() != 0 {
		return // nobody else can make files of another user
	}
	foreign := writeHook(t, mkdir(t, dir+"/sticky", 0o777|os.ModeSticky)+"/rouse.yaml", []byte("x"), 0o600)
	if err := os.Chown(foreign, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	if _, err := Guard(foreign); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("the error is %v", err)
	}
}

// TestGuardTrustsAReadOnlyMount, as a container has it for its config: every user may write to the folder by its mode.
func TestGuardTrustsAReadOnlyMount(t *testing.T) {
	if path := os.Getenv("GUARDED"); path != "" { // within a mount namespace of its own
		if _, err := Guard(path); err != nil {
			t.Error(err)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := osexec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace is to be had: %v %s", err, out)
	}
	const script = `mount -t tmpfs -o mode=777 none "$1" && echo x >"$1/rouse.yaml" && mount -o remount,ro "$1" &&
		GUARDED="$1/rouse.yaml" exec "$2" -test.run=^TestGuardTrustsAReadOnlyMount$`
	if out, err := osexec.Command("unshare", "-m", "sh", "-c", script, "sh", t.TempDir(), self).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
