//go:build unix && !linux

package crash

import "syscall"

func tied() *syscall.SysProcAttr { return nil }
