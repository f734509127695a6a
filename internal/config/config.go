// Package config turns what the user wrote into one validated value.
//
// A [Config] is data: it holds no runtime object, and making one touches neither disk
// nor network, but for the files that the user names. [FromFlags] reads the command line, whose
// flags, defaults and help stand in one table ([Flags.Definitions]). [FromFiles] reads config
// files, whose keys stand in the types of one file ([File]). Everything that is wrong is reported at once, as
// [Problems]: where, what, and what would be right. Values are refused rather than
// guessed at, since a misread cooldown or address costs money or stops somebody's
// machine. [Config.Validate] checks the same rules on a Config however it was made.
package config

import (
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// A Config says everything that one rouse does.
type Config struct {
	Targets   []Target
	Routes    []Route
	State     string        // directory for what survives a crash; empty: the default, see StateDir
	LogFormat LogFormat     // how log lines look
	LogLevel  slog.Level    // the least that is logged: one of slog's four levels
	Drain     time.Duration // how long live connections may last once rouse is to end; 0: cut at once
	OnExit    OnExit        // what becomes of the targets when rouse ends
	Trace     string        // file to which all events are appended; empty: none
}

// A Target is a thing that sleeps and wakes.
type Target struct {
	Name         string
	Backend      Backend // the address that the probe asks; its other ports are those of the routes
	Hooks        Hooks
	Probe        Probe
	Cooldown     time.Duration // how long it stays awake with nobody holding it
	StartTimeout time.Duration // from the start hook to ready
	StopTimeout  time.Duration // from the stop hook to verified down
	Recheck      time.Duration // how often to ask whether somebody else started it; 0: never
	ReleaseRate  float64       // clients a second that are let through to it once it has become ready; 0: no limit
}

// A Backend is the network address that is dialled on a ready target.
type Backend struct {
	Host string // an IP address without brackets, or a host name to resolve at each dial
	Port uint16
}

// Address returns host:port, with brackets around an IPv6 address.
func (b Backend) Address() string {
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}

// Hooks are the user's own commands: the path of a program and its arguments, run
// without a shell.
type Hooks struct {
	Start  []string
	Stop   []string
	Status []string   // empty: none
	Env    []Variable // beside the standard environment
}

// A ProbeKind is a way to find out whether a target is ready.
type ProbeKind string

// The kinds of probe.
const (
	ProbeTCP    ProbeKind = "tcp"    // it accepts a connection and keeps it
	ProbeHTTP   ProbeKind = "http"   // it answers a GET of Path with a success or a redirect
	ProbeBanner ProbeKind = "banner" // it speaks first, beginning with Expect
	ProbeExec   ProbeKind = "exec"   // Command exits with 0
)

// A Probe says when a target is ready. Only the fields of its kind are set.
type Probe struct {
	Kind    ProbeKind
	Path    string        // http: of the request, with any query
	Expect  string        // banner: what it must begin with; empty: any byte will do
	Command []string      // exec: path of a program and its arguments
	Settle  time.Duration // how long a fresh connection must stay open to count
}

// A Route leads from a listener to a target.
type Route struct {
	Listen netip.AddrPort // port 0: any free one
	Target string         // name of the target
	Port   uint16         // dialled on the host of its backend, wherever that is; 0: the port of the backend itself
}

// A LogFormat is how log lines look.
type LogFormat string

// The log formats.
const (
	LogAuto LogFormat = "auto" // text on a terminal, else JSON
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// An OnExit is what becomes of running targets when rouse ends.
type OnExit string

// What may become of them.
const (
	OnExitKeep OnExit = "keep" // they run on, for the next rouse to adopt
	OnExitStop OnExit = "stop" // they are stopped
)
