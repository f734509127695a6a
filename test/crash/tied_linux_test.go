package crash

import "syscall"

// tied makes a process end with the test's: one whose time is over ends without any cleanup, and a rouse would live on. No
// goroutine here ends the thread that it began a process on.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
