//go:build linux

// Package cell runs a program in namespaces of its own, so that whatever it makes ends with it.
//
// A cell has its own processes, mounts and network. Its first process is a small init, which starts the program and
// waits for every process that nobody else waits for, as the kernel asks of the first one. When the init ends, for
// whatever reason, the kernel ends every process of the cell, unmounts what was mounted there and removes its network
// namespaces. So nothing is left behind, not even after kill -9 of everybody, and two cells never meet.
package cell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The first arguments of our own program that mean it is part of a cell.
const (
	initWord = "cell-init"
	workWord = "cell-work"
)

// grace is how long a cell that has been told to end may take.
const grace = 10 * time.Second

// A Job is what runs in a cell: this program again, whose [Main] calls the worker.
type Job struct {
	Args   []string // for the worker
	Output io.Writer
	Errors io.Writer
}

// Run runs a job in a new cell and returns when nothing is left of it. A ctx that ends tells the job to end, with
// SIGTERM, and after a while ends the cell.
func Run(ctx context.Context, job Job) error {
	// The cell is to end when we do, and the kernel takes the thread that started it for us.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{initWord}, job.Args...)...)
	cmd.Stdout, cmd.Stderr = job.Output, job.Errors
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		Setpgid:    true, // a Ctrl-C is for us; we pass it on
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running a cell: %w%s", err, hint(err))
	}
	return nil
}

func hint(err error) string {
	if errors.Is(err, syscall.EPERM) {
		return "; a cell needs the right to make namespaces: run this as root"
	}
	return ""
}

// Main is the first call of a program that uses cells. In a cell it does the work there and never returns.
func Main(worker func(args []string) int) {
	if len(os.Args) < 2 {
		return
	}
	switch os.Args[1] {
	case initWord:
		os.Exit(initial(os.Args[2:]))
	case workWord:
		os.Exit(worker(os.Args[2:]))
	}
}

// initial is the first process of a cell.
func initial(args []string) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	work, err := os.StartProcess("/proc/self/exe", append([]string{os.Args[0], workWord}, args...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the worker of a cell:", err)
		return 1
	}
	go pass(signals, work)
	return reap(work.Pid)
}

// prepare makes the mounts of a cell.
func prepare() error {
	if os.Getpid() != 1 {
		return errors.New("a cell is started by Run, not by hand")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts of a cell its own: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc in a cell: %w", err)
	}
	// The names of network namespaces live here.
	if err := unix.Mount("run", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=755"); err != nil {
		return fmt.Errorf("mounting /run in a cell: %w", err)
	}
	return nil
}

// pass hands signals on to the worker.
func pass(signals <-chan os.Signal, work *os.Process) {
	for s := range signals {
		_ = work.Signal(s)
	}
}

// reap waits for every process that comes to us, until the worker has ended, and returns its exit code.
func reap(worker int) int {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "waiting for the worker of a cell:", err)
			return 1
		case pid == worker && status.Exited():
			return status.ExitStatus()
		case pid == worker && status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}
