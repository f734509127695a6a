//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

var groups atomic.Int64

// newGroup makes a control group with a limit of processes below our own, of either version; empty if that cannot be.
// Control groups are the one thing that a cell does not take away with it.
func newGroup() string {
	sweepGroups()
	parent := parentGroup()
	if parent == "" {
		return ""
	}
	group := filepath.Join(parent, fmt.Sprintf("rouse-chaos-%d-%d", os.Getpid(), groups.Add(1)))
	if err := os.Mkdir(group, 0o755); err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(group, "pids.max")); err != nil {
		_ = os.Remove(group)
		return ""
	}
	return group
}

// removeGroup removes it. The last processes of a cell may take a moment to go.
func removeGroup(group string) {
	for deadline := time.Now().Add(5 * time.Second); group != "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err := os.Remove(group); err == nil || os.IsNotExist(err) {
			return
		}
	}
}

// parentGroup is our own control group, of the hierarchy that limits processes.
func parentGroup() string {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	unified := ""
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		if fields[1] == "pids" {
			return existing("/sys/fs/cgroup/pids", fields[2])
		}
		if fields[0] == "0" {
			unified = fields[2]
		}
	}
	return existing("/sys/fs/cgroup", unified)
}

// existing returns the folder of a group, or that of the root where groups have a namespace of their own.
func existing(root, group string) string {
	for _, path := range []string{filepath.Join(root, group), root} {
		if info, err := os.Stat(filepath.Join(path, "cgroup.procs")); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// sweepGroups removes what a run that was killed has left.
func sweepGroups() {
	left, _ := filepath.Glob(filepath.Join(parentGroup(), "rouse-chaos-*"))
	for _, path := range left {
		var pid, n int
		if _, err := fmt.Sscanf(filepath.Base(path), "rouse-chaos-%d-%d", &pid, &n); err == nil && pid != os.Getpid() && unix.Kill(pid, 0) == unix.ESRCH {
			_ = os.Remove(path)
		}
	}
}
