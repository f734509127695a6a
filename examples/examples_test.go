//go:build unix

package examples

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// standIns are the programs that the test binary can stand in for, by the name it is
// run under. Each returns its exit status.
var standIns = map[string]func(args []string) int{
	"server":    serverMain,
	"gcloud":    gcloudMain,
	"aws":       awsMain,
	"docker":    func(args []string) int { return engineMain("docker", args) },
	"podman":    func(args []string) int { return engineMain("podman", args) },
	"systemctl": systemctlMain,
	"ping":      pingMain,
	"ssh":       sshMain,
	"wakeonlan": wakeonlanMain,
	"etherwake": etherwakeMain,
	"timeout":   func([]string) int { return 124 },
}

func TestMain(m *testing.M) {
	if main, ok := standIns[filepath.Base(os.Args[0])]; ok {
		os.Exit(main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// A kit runs the hooks of one example.
type kit struct {
	dir    string            // the example's folder
	env    map[string]string // what --hook-env would list
	bin    string            // folder in front of PATH; the stand-ins live there
	output string            // the file behind ROUSE_OUTPUT
}

// newKit prepares the hooks in dir, with the named stand-ins in front of PATH.
func newKit(t *testing.T, dir string, names ...string) *kit {
	t.Helper()
	// A stand-in built with the race detector would sleep a second before it ends.
	k := &kit{dir: dir, env: map[string]string{"GORACE": "atexit_sleep_ms=0"}, bin: t.TempDir(), output: filepath.Join(t.TempDir(), "output")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(k.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// environ is what rouse gives to a hook, and nothing else.
func (k *kit) environ(event string) []string {
	env := []string{
		"ROUSE_EVENT=" + event, "ROUSE_TARGET=test", "ROUSE_ADDRESS=127.0.0.1:8000", "ROUSE_EPOCH=1",
		"ROUSE_REASON=client 192.0.2.7:40312", "ROUSE_OUTPUT=" + k.output,
		"PATH=" + k.bin + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
	}
	for name, value := range k.env {
		env = append(env, name+"="+value)
	}
	return env
}

// run executes the hook for event as rouse does: no shell, no arguments, an empty
// standard input, a process group of its own. It returns the exit status and what the
// hook printed.
func (k *kit) run(t *testing.T, event string) (code int, printed string) {
	t.Helper()
	return k.runProgram(t, event, "./"+event+".sh")
}

func (k *kit) runProgram(t *testing.T, event, program string) (code int, printed string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := os.WriteFile(k.output, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = k.dir, k.environ(event), &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || ctx.Err() != nil {
		t.Fatalf("%s %s: %v\n%s", k.dir, event, err, out.String())
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// want runs a hook and checks its exit status and that it printed every one of texts.
func (k *kit) want(t *testing.T, event string, code int, texts ...string) {
	t.Helper()
	got, printed := k.run(t, event)
	if got != code {
		t.Fatalf("%s/%s.sh: exit status %d, want %d\n%s", k.dir, event, got, code, printed)
	}
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("%s/%s.sh: printed %q, want %q in it", k.dir, event, printed, text)
		}
	}
}

// wantAddress checks what the last hook left in the file behind ROUSE_OUTPUT.
func (k *kit) wantAddress(t *testing.T, want string) {
	t.Helper()
	got, err := os.ReadFile(k.output)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("the hook left %q for rouse, want %q", got, want)
	}
}

// eventually waits for a condition that only another process brings about.
func eventually(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", limit, what)
		}
	}
}

// folders are the examples.
var folders = []string{"aws", "container", "gcloud", "process", "qemu", "systemd", "wol"}

func TestEveryExampleIsComplete(t *testing.T) {
	found, err := filepath.Glob("*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	if !slices.Equal(found, folders) {
		t.Errorf("folders with a README.md: %v, want %v", found, folders)
	}
	for _, dir := range folders {
		for _, name := range []string{"start.sh", "stop.sh", "status.sh", "common.sh"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/*.sh")
	if err != nil || len(files) < 4*len(folders) {
		t.Fatalf("found %d scripts: %v", len(files), err)
	}
	return files
}

func TestEveryScriptCanBeRunByRouse(t *testing.T) {
	for _, file := range scripts(t) {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o002 != 0 {
			t.Errorf("%s: anyone can write it", file)
		}
		if filepath.Base(file) == "common.sh" {
			if info.Mode()&0o111 != 0 || !bytes.HasPrefix(text, []byte("# shellcheck shell=bash\n")) || !bytes.Contains(text, []byte("\nset -euo pipefail\n")) {
				t.Errorf("%s: must be sourced, not run, name its shell in the first line, and set -euo pipefail", file)
			}
			continue
		}
		if info.Mode()&0o111 != 0o111 || !bytes.HasPrefix(text, []byte("#!/usr/bin/env bash\n")) {
			t.Errorf("%s: mode %s; must be executable and begin with #!/usr/bin/env bash", file, info.Mode())
		}
		if !bytes.Contains(text, []byte("\nsource \"$(dirname -- \"${BASH_SOURCE[0]}\")/common.sh\"\n")) {
			t.Errorf("%s: does not source common.sh from its own folder", file)
		}
	}
}

func TestShellcheckFindsNothing(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	out, err := exec.CommandContext(t.Context(), shellcheck, append([]string{"-x"}, scripts(t)...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestEveryReadmeFitsAScreenAndNamesEverySetting(t *testing.T) {
	setting := regexp.MustCompile(`(?m)^([A-Z0-9_]+)=\$\{([A-Z0-9_]+):-`)
	for _, dir := range folders {
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(readme, []byte("\n")); lines > 45 {
			t.Errorf("%s/README.md has %d lines, more than a screen", dir, lines)
		}
		for _, text := range []string{"rouse --target-ip=", "--hook-start-svc=./start.sh", "--hook-stop-svc=./stop.sh", "--hook-status=./status.sh", "--cooldown-period=", "What to watch out for"} {
			if !bytes.Contains(readme, []byte(text)) {
				t.Errorf("%s/README.md lacks %q", dir, text)
			}
		}
		common, err := os.ReadFile(filepath.Join(dir, "common.sh"))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range setting.FindAllSubmatch(common, -1) {
			if !bytes.Equal(match[1], match[2]) {
				t.Errorf("%s/common.sh: setting %s is taken from %s", dir, match[1], match[2])
			}
			if string(match[1]) != "QEMU" && !bytes.Contains(readme, match[1]) {
				t.Errorf("%s/README.md does not name the setting %s", dir, match[1])
			}
		}
	}
}

// Every README's command line uses only flags that rouse has.
func TestEveryReadmeUsesKnownFlags(t *testing.T) {
	known := strings.Fields("--target-ip --target-port --hook-start-svc --hook-stop-svc --hook-status --hook-env --probe " +
		"--cooldown-period --start-timeout --stop-timeout --proxy-port")
	flag := regexp.MustCompile(`--[a-z-]+`)
	for _, dir := range folders {
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, command, _ := strings.Cut(string(readme), "    rouse ")
		command, _, _ = strings.Cut(command, "\n\n")
		for _, name := range flag.FindAllString(command, -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s/README.md: rouse has no flag %s", dir, name)
			}
		}
	}
}

// stateFile is where a stand-in keeps the state of its machine, passed on by the hook
// in this variable.
const stateFile = "STAND_IN_STATE"
