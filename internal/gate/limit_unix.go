//go:build unix

package gate

import "syscall"

// DescriptorLimit returns how many descriptors this process may have open. The Go
// runtime has raised the soft limit to the hard one by then.
func DescriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // the usual one
	}
	return uint64(limit.Cur)
}
