package config

import (
	"errors"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// StateDir returns the directory for what must survive a crash. One that the Config
// names is taken as it is. The default is a directory of the service manager or of the
// user (systemd.exec(5) on StateDirectory=, and the XDG Base Directory Specification),
// and in it a folder for the first listener: several rouses run side by side, and one that gets
// more listeners finds what it knew. It only asks getenv, and looks at nothing on disk.
func (c Config) StateDir(getenv func(string) string) (string, error) {
	if c.State != "" {
		return c.State, nil
	}
	base := stateBase(runtime.GOOS, getenv)
	if base == "" {
		return "", errors.New("finding the state directory: no variable of the environment names one by its whole path " +
			"(" + stateVariables(runtime.GOOS) + "); name one with --state-dir")
	}
	if len(c.Routes) == 0 {
		return base, nil
	}
	if path := c.Routes[0].Socket.Path; path != "" {
		return filepath.Join(base, "unix-"+strings.ReplaceAll(strings.Trim(path, "/"), "/", "-")), nil
	}
	return filepath.Join(base, listenerFolder(c.Routes[0].Listen)), nil
}

// stateBase returns the default directory of all rouses of this user, or "".
func stateBase(goos string, getenv func(string) string) string {
	if goos == "windows" {
		return under(goos, getenv("LOCALAPPDATA"), "rouse")
	}
	for dir := range strings.SplitSeq(getenv("STATE_DIRECTORY"), ":") {
		if base := under(goos, dir); base != "" {
			return base
		}
	}
	// A relative XDG path is to be ignored, says its specification.
	if base := under(goos, getenv("XDG_STATE_HOME"), "rouse"); base != "" {
		return base
	}
	return under(goos, getenv("HOME"), ".local", "state", "rouse")
}

// stateVariables lists what stateBase looks at.
func stateVariables(goos string) string {
	if goos == "windows" {
		return "LOCALAPPDATA"
	}
	return "STATE_DIRECTORY, XDG_STATE_HOME, HOME"
}

// under joins a path, unless its beginning is empty or relative.
func under(goos, dir string, elem ...string) string {
	if dir == "" || goos != "windows" && !strings.HasPrefix(dir, "/") {
		return ""
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

// listenerFolder returns a name for the folder of a listener that is safe on every file
// system: IPv6 addresses have dashes for their colons, and begin with a letter.
func listenerFolder(listen netip.AddrPort) string {
	host := listen.Addr().String()
	if listen.Addr().Is6() {
		host = "ip6-" + strings.ReplaceAll(host, ":", "-")
	}
	return host + "_" + strconv.Itoa(int(listen.Port()))
}
