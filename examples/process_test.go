//go:build unix

package examples

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serverMain is the server that the process hooks run: it answers every connection
// with its process id. It adds that id to the file "starts" in its folder and puts its
// address into the file "address".
func serverMain(args []string) int {
	_, set := flags(args, "--deaf", "--last-words", "--with-child")
	if set["--deaf"] != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	if set["--with-child"] != "" {
		return parentMain()
	}
	if set["--last-words"] != "" {
		go lastWords()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return unexpected("%v", err)
	}
	defer ln.Close()
	if err := announce(ln.Addr().String()); err != nil {
		return unexpected("%v", err)
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return unexpected("%v", err)
		}
		fmt.Fprintln(c, os.Getpid())
		c.Close()
	}
}

// lastWords ends the server half a second after it has been asked to.
func lastWords() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	<-asked
	time.Sleep(500 * time.Millisecond)
	if err := os.WriteFile("last-words", nil, 0o600); err != nil {
		unexpected("%v", err)
	}
	os.Exit(0)
}

// parentMain has its server in a child process, and leaves it behind on TERM.
func parentMain() int {
	child := exec.Command(os.Args[0], "--last-words")
	if err := child.Start(); err != nil {
		return unexpected("%v", err)
	}
	if err := child.Wait(); err != nil {
		return unexpected("%v", err)
	}
	return 0
}

func announce(address string) error {
	starts, err := os.OpenFile("starts", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer starts.Close()
	if _, err := fmt.Fprintln(starts, os.Getpid()); err != nil {
		return err
	}
	if err := os.WriteFile("address.new", []byte(address), 0o600); err != nil {
		return err
	}
	return os.Rename("address.new", "address")
}

// newProcess prepares the process hooks for a server of its own that is run with args.
// Whatever still runs when the test ends is killed by its process id.
func newProcess(t *testing.T, args string) *kit {
	k := newKit(t, "process", "server")
	dir := t.TempDir()
	k.env["PROCESS_COMMAND"] = filepath.Join(k.bin, "server") + " " + args
	k.env["PROCESS_DIR"], k.env["PROCESS_RUN_DIR"], k.env["PROCESS_GRACE"] = dir, filepath.Join(dir, "run"), "20"
	t.Cleanup(func() {
		for _, pid := range k.starts(t) {
			if k.isServer(pid) {
				t.Errorf("server %d was left behind", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return k
}

// starts are the process ids that servers of k have had.
func (k *kit) starts(t *testing.T) (pids []int) {
	text, err := os.ReadFile(filepath.Join(k.env["PROCESS_DIR"], "starts"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// isServer says whether pid is a server of k that lives; a zombie has no arguments.
func (k *kit) isServer(pid int) bool {
	out, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), k.bin)
}

// ask waits until a server answers and returns its process id.
func (k *kit) ask(t *testing.T) (pid int) {
	t.Helper()
	eventually(t, 30*time.Second, "the server to answer", func() bool {
		address, err := os.ReadFile(filepath.Join(k.env["PROCESS_DIR"], "address"))
		if err != nil {
			return false
		}
		c, err := net.Dial("tcp", string(address))
		if err != nil {
			return false
		}
		defer c.Close()
		text, err := io.ReadAll(c)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

func TestProcessStartsServesAndStops(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	for name, proc := range map[string]string{"told by proc": "/proc", "told by ps": "/nonexistent"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newProcess(t, "")
			k.env["PROCESS_PROC"] = proc
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.want(t, "start", 0)
			pid := k.ask(t)
			k.want(t, "start", 0)
			k.want(t, "status", 0)
			if again := k.ask(t); again != pid {
				t.Errorf("the second start replaced server %d by %d", pid, again)
			}
			k.want(t, "stop", 0)
			if k.isServer(pid) {
				t.Errorf("stop returned while server %d still ran", pid)
			}
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
		})
	}
}

func TestProcessKilledBehindItsBackIsNotRunningAndStartsAgain(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	k := newProcess(t, "")
	k.want(t, "start", 0)
	first := k.ask(t)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the killed server to be gone", func() bool { return !k.isServer(first) })
	k.want(t, "status", 3)
	k.want(t, "start", 0)
	eventually(t, 10*time.Second, "the second server", func() bool { return k.ask(t) != first })
	k.want(t, "status", 0)
	k.want(t, "stop", 0)
}

func TestProcessStaleFileNeverNamesAStranger(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"number given to another": fmt.Sprintf("%d %s/1\n", stranger.Process.Pid, strings.TrimSpace(string(boot))),
		"from another boot":       fmt.Sprintf("%d 11111111-2222-3333-4444-555555555555/1\n", stranger.Process.Pid),
		"process one":             "1 x\n",
		"no number":               "-1 x\n",
		"cut off":                 "12",
		"empty":                   "",
		"gone":                    "2147483646 x/1\n",
	} {
		t.Run(name, func(t *testing.T) {
			k := newProcess(t, "")
			run := k.env["PROCESS_RUN_DIR"]
			if err := os.Mkdir(run, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, first := range []string{"status", "stop", "start"} {
				if err := os.WriteFile(filepath.Join(run, "server.pid"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				k.want(t, first, map[string]int{"status": 3}[first])
			}
			k.ask(t)
			k.want(t, "status", 0)
			k.want(t, "stop", 0)
			if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
				t.Fatalf("the stranger was killed: %v", err)
			}
		})
	}
}

func TestProcessThatIgnoresTermIsKilled(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	k := newProcess(t, "--deaf")
	k.env["PROCESS_GRACE"] = "1"
	k.want(t, "start", 0)
	pid := k.ask(t)
	k.want(t, "stop", 0, "killing it")
	if k.isServer(pid) {
		t.Errorf("server %d survived the stop", pid)
	}
	k.want(t, "status", 3)
}

func TestProcessStopWaitsForTheChildren(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	k := newProcess(t, "--with-child")
	k.want(t, "start", 0)
	pid := k.ask(t)
	k.want(t, "stop", 0)
	if k.isServer(pid) {
		t.Errorf("stop returned while the child %d still ran", pid)
	}
	if _, err := os.Stat(filepath.Join(k.env["PROCESS_DIR"], "last-words")); err != nil {
		t.Errorf("the child was not left to end by itself: %v", err)
	}
}

func TestProcessThatCannotRunIsToldAtOnce(t *testing.T) {
	t.Parallel()
	k := newProcess(t, "")
	k.env["PROCESS_COMMAND"] = "/nonexistent/server"
	k.want(t, "start", 1, "PROCESS_COMMAND", "/nonexistent/server")
	k.want(t, "status", 3)
	k.env["PROCESS_COMMAND"], k.env["PROCESS_DIR"] = "true", "/nonexistent"
	k.want(t, "start", 1, "/nonexistent")
	k.env["PROCESS_DIR"] = t.TempDir()
}

func TestProcessStartedFourTimesAtOnceRunsOnce(t *testing.T) {
	t.Parallel()
	needs(t, "ps", "flock")
	k := newProcess(t, "")
	var starts sync.WaitGroup
	for range 4 {
		starts.Go(func() {
			if code, printed := k.run(t, "start"); code != 0 {
				t.Errorf("start.sh: exit status %d\n%s", code, printed)
			}
		})
	}
	starts.Wait()
	k.ask(t)
	if pids := k.starts(t); len(pids) != 1 {
		t.Errorf("servers started: %v, want one", pids)
	}
	// A server that had inherited the lock would keep every later hook waiting.
	lock, err := os.Open(filepath.Join(k.env["PROCESS_RUN_DIR"], "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("locking while the server runs: %v", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	k.want(t, "stop", 0)
}
