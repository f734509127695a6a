//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package exec

func nameProcess() {}
