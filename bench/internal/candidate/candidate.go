//go:build linux

// Package candidate knows the proxies that the benchmarks compare: how each is configured
// for one address in front of one backend, whether it is here, and how it is started and
// ended. A configuration is a pure function of a Place; it is written into a folder of its
// own, and the proxy runs from there as a child in a process group of its own.
package candidate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// Place is where one run of a candidate shall stand.
type Place struct {
	Dir             string // for its files
	Listen, Backend netip.AddrPort
	Limit           int  // descriptors that it may have
	Root            bool // it runs as root
}

// Command is how to run a candidate. Files are written into the folder first.
type Command struct {
	Path  string
	Args  []string
	Files map[string]string
	// Socket passes the open listener as descriptor 3, in the way of systemd.
	Socket bool
}

// Candidate is one way to bring a client to the backend.
type Candidate struct {
	Name  string
	About string // how it is configured, in a few words
	// Path and Needs must exist; Version, run with Path, tells its version on its first line.
	Path    string
	Needs   []string
	Version []string
	// FDs is how many descriptors a client takes in it; 0 is not known here. Idle bounds the
	// idle connections that it is given; 0 is as many as the others get.
	FDs, Idle int

	build func(path string, p Place) Command
}

// Direct is the name of the candidate without a proxy.
const Direct = "direct"

// Missing says why the candidate cannot take part, or nil.
func (c Candidate) Missing() error {
	if c.build == nil {
		return nil
	}
	if _, err := look(c.Path); err != nil {
		return err
	}
	for _, path := range c.Needs {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	return nil
}

// IsProxy is false for the direct way.
func (c Candidate) IsProxy() bool { return c.build != nil }

// Command builds the command for a place.
func (c Candidate) Command(p Place) (Command, error) {
	path, err := look(c.Path)
	if err != nil {
		return Command{}, err
	}
	return c.build(path, p), nil
}

// VersionText asks the program for its version; it is empty if it does not say.
func (c Candidate) VersionText() string {
	path, err := look(c.Path)
	if err != nil || len(c.Version) == 0 {
		return ""
	}
	out, err := exec.Command(path, c.Version...).CombinedOutput()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if strings.ContainsAny(line, "0123456789") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// look finds a program in PATH and where Debian keeps daemons.
func look(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if errors.Is(err, exec.ErrNotFound) {
			path, err = exec.LookPath(dir + name)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is not here", name)
	}
	return path, nil
}

// All lists the candidates in the order of the tables; rouse is the path of its program.
func All(rouse string) []Candidate {
	return []Candidate{
		{Name: Direct, FDs: 2, About: "no proxy: the client connects to the backend"},
		{Name: "haproxy", About: "HAProxy, mode tcp, 2 threads", Path: "haproxy", FDs: 2, Version: []string{"-v"}, build: haproxy("")},
		{Name: "haproxy-tuned", About: "the same with option splice-request, option splice-response, tune.pipesize 1048576",
			Path: "haproxy", FDs: 2, Version: []string{"-v"}, build: haproxy(spliced)},
		{Name: "nginx", About: "nginx stream, 2 workers, reuseport, proxy_half_close on", Path: "nginx",
			Needs: []string{streamModule}, FDs: 2, Version: []string{"-v"}, build: nginx},
		{Name: "socat", About: "socat TCP-LISTEN,fork: a process for each connection", Path: "socat",
			Version: []string{"-V"}, FDs: 2, Idle: 500, build: socat},
		{Name: "sd-proxyd", About: "systemd-socket-proxyd", Path: "/usr/lib/systemd/systemd-socket-proxyd",
			FDs: 6, Version: []string{"--version"}, build: proxyd},
		Rouse("rouse", rouse),
	}
}

// Rouse is rouse, or another build of it under a name of its own, with further flags.
func Rouse(name, path string, flags ...string) Candidate {
	about := "rouse, target awake, --log-level=warn"
	if len(flags) > 0 {
		about += " " + strings.Join(flags, " ")
	}
	return Candidate{Name: name, About: about, Path: path, FDs: 2, Version: []string{"version"},
		build: func(path string, p Place) Command { return rouseCommand(path, p, flags) }}
}

// Wakers lists what can hold clients while the backend is away.
func Wakers(rouse string) []Candidate {
	patient := Rouse("rouse", rouse, "--settle=0")
	patient.About = "rouse, target asleep, --settle=0: like HAProxy it then does not ask whether the target stays up"
	settled := Rouse("rouse-settle", rouse)
	settled.About = "rouse, target asleep, the default --settle=50ms"
	return []Candidate{
		{Name: "haproxy-retry", About: "HAProxy, each client retries every 20 ms (retries 3000, timeout connect 20ms)",
			Path: "haproxy", Version: []string{"-v"}, build: haproxy(retrying)},
		patient, settled,
	}
}
