package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A doomed is a rouse of which a test wants the end: it runs a start hook.
type doomed struct {
	Dir, Zoo, Script string
	Within           time.Duration // zero: no deadline
	Epoch            uint64
	Dies             string // "before" the fork of the keeper, right "after" it, or when it is killed
}

func (c doomed) command(t *testing.T) *osexec.Cmd {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "doomed", string(b))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func helpDoomed(args []string) error {
	var c doomed
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		return err
	}
	d, err := New(Options{
		Target: "web", Stem: "web", Dir: c.Dir, Env: []string{"ZOO=" + c.Zoo}, Grace: grace,
		Start: []string{animal(c.Script)}, Stop: []string{animal("traces")},
	})
	if err != nil {
		return err
	}
	if d.keeper == "" {
		return errors.New("it has no keeper")
	}
	d.launch = func(cmd *osexec.Cmd) error {
		if c.Dies == "before" {
			dieNow()
		}
		fmt.Println("launching")
		err := cmd.Start()
		if c.Dies == "after" {
			dieNow()
		}
		return err
	}
	ctx := context.Background()
	if c.Within != 0 {
		limited, cancel := context.WithTimeout(ctx, c.Within)
		defer cancel()
		ctx = limited
	}
	_, err = d.Start(ctx, driver.Op{Epoch: c.Epoch})
	return err
}

func dieNow() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // it is on its way
}

// begun runs a rouse and returns once its hook runs; orphaned kills it then.
func (r *rig) begun(script string, within time.Duration) *osexec.Cmd {
	r.t.Helper()
	cmd := doomed{Dir: r.dir, Zoo: r.zoo, Script: script, Within: within, Epoch: anOp.Epoch}.command(r.t)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.pid()
	eventually(r.t, func() bool { return exists(r.recordPath) })
	return cmd
}

func (r *rig) orphaned(script string, within time.Duration) {
	r.t.Helper()
	kill9(r.t, r.begun(script, within))
}

func kill9(t *testing.T, cmd *osexec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// parent returns the parent of a process.
func parent(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "PPid:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// order writes a file that the hook called told obeys.
func (r *rig) order(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// killWhile runs a rouse and kills it some time after it has begun to start a keeper.
func (r *rig) killWhile(c doomed, after time.Duration) {
	r.t.Helper()
	cmd := c.command(r.t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 64))                                     // or its end
	for began := time.Now(); c.Dies == "" && time.Since(began) < after; { // a sleep is not as exact
	}
	kill9(r.t, cmd)
}
