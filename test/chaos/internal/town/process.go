//go:build linux

package town

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// processNemeses kill and freeze.
func processNemeses() []nemesis {
	return []nemesis{
		{name: "kill", group: "rouse", least: 0, most: 0, excused: true, begin: kill},
		{name: "kill-late", group: "rouse", least: 500 * time.Millisecond, most: 4 * time.Second, excused: true, begin: killLate},
		{name: "kill-twice", group: "rouse", excused: true, begin: killTwice},
		{name: "kill-mid-hook", group: "rouse", least: time.Second, most: 4 * time.Second, begin: killMidHook},
		{name: "term", group: "rouse", least: 0, most: 0, excused: true, begin: term},
		{name: "freeze", group: "rouse", least: 300 * time.Millisecond, most: 2 * time.Second, excused: true, mild: true, begin: freeze},
		{name: "freeze-long", group: "rouse", least: 2500 * time.Millisecond, most: 5 * time.Second, excused: true, mild: true, begin: freeze},
		{name: "boot-clock", group: "rouse", tool: timeSpaces, excused: true, begin: bootClock},
		{name: "spoil-state", group: "rouse", excused: true, begin: spoilState},
		{name: "wall-clock", tool: wallClock, most: 3 * time.Second, mild: true, begin: jump},
		{name: "freeze-cloud", group: "cloud", least: 300 * time.Millisecond, most: 3 * time.Second, excused: true, begin: freezeCloud},
		{name: "kill-hook", group: "hook", least: 0, most: 3 * time.Second, begin: hunter("hook", isHook)},
		{name: "kill-keeper", group: "hook", least: 0, most: 3 * time.Second, begin: hunter("keeper", isKeeper)},
		{name: "freeze-hook", group: "hook", least: time.Second, most: 4 * time.Second, excused: true, begin: freezeHook},
	}
}

// kill ends rouse as a crash does. A new one comes at once.
func kill(_ context.Context, t *Town, _ Act) (func() error, error) {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	t.rouse.kill()
	return nil, t.rouse.start()
}

// killTwice kills the new one as well, while it takes up what the old one has left.
func killTwice(ctx context.Context, t *Town, a Act) (func() error, error) {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	t.rouse.kill()
	if err := t.rouse.start(); err != nil {
		return nil, err
	}
	sleep(ctx, time.Duration(a.Amount%200)*time.Millisecond)
	t.rouse.kill()
	return nil, t.rouse.start()
}

// killMidHook kills rouse while a hook runs, or when it has just ended.
func killMidHook(ctx context.Context, t *Town, a Act) (func() error, error) {
	if len(await(ctx, isHook, a.For)) == 0 {
		return nil, nil
	}
	sleep(ctx, time.Duration(a.Amount%600)*time.Millisecond)
	defer t.cloud.need(a.Nemesis)()
	return kill(ctx, t, a)
}

// killLate lets the new one come after a while.
func killLate(_ context.Context, t *Town, _ Act) (func() error, error) {
	t.rouse.turn.Lock()
	t.rouse.kill()
	return func() error {
		defer t.rouse.turn.Unlock()
		return t.rouse.start()
	}, nil
}

// term asks rouse to end; a new one comes when it has.
func term(_ context.Context, t *Town, _ Act) (func() error, error) {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	if err := t.rouse.end(); err != nil {
		t.complain("%v", err)
	}
	return nil, t.rouse.start()
}

// freeze stops rouse's process for a while.
func freeze(_ context.Context, t *Town, _ Act) (func() error, error) {
	t.rouse.turn.Lock()
	if err := t.rouse.signal(syscall.SIGSTOP); err != nil {
		t.rouse.turn.Unlock()
		return nil, nil //nolint:nilerr // it has just died of something else, which is told
	}
	return func() error {
		defer t.rouse.turn.Unlock()
		_ = t.rouse.signal(syscall.SIGCONT)
		return nil
	}, nil
}

// bootClock ends rouse as a crash does, and starts it with clocks that are off: the monotonic one and that of the time
// since boot. It keeps them for the rest of the round.
func bootClock(_ context.Context, t *Town, a Act) (func() error, error) {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	t.rouse.kill()
	t.awaitNoHook()
	t.rouse.offset += time.Duration(1+a.Amount%48) * time.Hour
	return nil, t.rouse.start()
}

// spoilState ends rouse as a crash does, and loses or damages what it has written on disk.
func spoilState(_ context.Context, t *Town, a Act) (func() error, error) {
	t.rouse.turn.Lock()
	defer t.rouse.turn.Unlock()
	t.rouse.kill()
	t.awaitNoHook() // who runs it is written there as well
	// It does not know the machine's address any more, and so asks for a while whether it runs.
	time.AfterFunc(4*time.Second, t.cloud.need("what was known of it is lost"))
	files, err := filepath.Glob(filepath.Join(t.state, "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if filepath.Base(path) == filler || !info.Mode().IsRegular() { // the control socket has nothing in it
			continue
		}
		if err := spoil(path, a.Amount); err != nil {
			return nil, err
		}
	}
	return nil, t.rouse.start()
}

// spoil removes, empties, cuts or garbles a file.
func spoil(path string, how int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch how % 4 {
	case 0:
		return os.Remove(path)
	case 1:
		data = nil
	case 2:
		data = data[:len(data)/2]
	case 3:
		for i := range data {
			data[i] ^= byte(how >> 8)
		}
	}
	return os.WriteFile(path, data, 0o600)
}

// jump sets the wall clock of the running rouse off, up to a year, and back again. No process can have a wall clock of
// its own, so this rouse was built to add a variable to it, which we write.
func jump(_ context.Context, t *Town, a Act) (func() error, error) {
	pid, by := t.rouse.pid(), int64(a.Amount%365+1)*24*3600
	if a.Amount%2 == 0 {
		by = -by
	}
	return func() error { return t.setClock(pid, 0) }, t.setClock(pid, by)
}

// setClock writes how many seconds a process adds to its wall clock. One that has gone has none.
func (t *Town) setClock(pid int, seconds int64) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer memory.Close()
	_, err = memory.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(seconds)), int64(t.Jump))
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// awaitNoHook waits until no hook and no keeper runs. Rouse tells processes apart by their start time, which a process
// with other clocks sees off as well: that is of the way we do it, and of no real clock.
func (t *Town) awaitNoHook() {
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) && (len(find(isHook)) > 0 || len(find(isKeeper)) > 0) {
		time.Sleep(5 * time.Millisecond)
	}
}

// freezeCloud stops the provider, and with it its machine.
func freezeCloud(_ context.Context, t *Town, _ Act) (func() error, error) {
	process := t.cloud.cmd.Process
	return func() error { return process.Signal(syscall.SIGCONT) }, process.Signal(syscall.SIGSTOP)
}

// hunter kills the first process of a kind that it meets, within the time of its act.
func hunter(what string, is func(cmdline []byte) bool) func(context.Context, *Town, Act) (func() error, error) {
	return func(ctx context.Context, t *Town, a Act) (func() error, error) {
		prey := await(ctx, is, a.For)
		if len(prey) == 0 {
			return nil, nil
		}
		pid := prey[a.Amount%len(prey)]
		if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
			t.tell(fmt.Sprintf("killed the %s %d", what, pid))
			time.AfterFunc(time.Second, t.cloud.need("the "+what+" was killed")) // if it was to stop the machine, that is tried again
		}
		return nil, nil
	}
}

// freezeHook stops a hook's process, its keeper, or both.
func freezeHook(ctx context.Context, t *Town, a Act) (func() error, error) {
	var frozen []int
	if prey := await(ctx, isHook, a.For); a.Amount%3 != 0 {
		frozen = append(frozen, prey...)
	}
	if a.Amount%3 != 1 {
		frozen = append(frozen, find(isKeeper)...)
	}
	for _, pid := range frozen {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	t.tell(fmt.Sprintf("froze %v", frozen))
	return func() error {
		for _, pid := range frozen {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		return nil
	}, nil
}

// await waits for a process of a kind. Without one it returns none, when its time is over.
func await(ctx context.Context, is func(cmdline []byte) bool, d time.Duration) []int {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for ; ctx.Err() == nil; sleep(ctx, 2*time.Millisecond) {
		if found := find(is); len(found) > 0 {
			return found
		}
	}
	return nil
}

func isHook(cmdline []byte) bool {
	shell := bytes.HasPrefix(cmdline, []byte("/bin/sh\x00")) && bytes.Contains(cmdline, []byte("/"+hooksDir+"/"))
	return shell || bytes.Contains(cmdline, []byte("\x00hook\x00"))
}

func isKeeper(cmdline []byte) bool { return bytes.Contains(cmdline, []byte("\x00keep-hook\x00")) }

// find returns the processes of the cell whose command line is of a kind.
func find(is func(cmdline []byte) bool) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var pids []int
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil || !is(data) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
