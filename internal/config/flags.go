package config

import "strings"

// Flags is what stands on the command line: the text of each flag, not yet understood,
// so that everything wrong in it can be reported at once. The zero value is a command
// line without flags. [Definition.Set] fills it in.
type Flags struct {
	TargetIP       string
	TargetPort     string
	TargetName     string
	Probe          string
	Settle         string
	ReleaseRate    string
	HookStart      string
	HookStop       string
	HookStatus     string
	HookEnv        []string
	CooldownPeriod string
	StartTimeout   string
	StopTimeout    string
	RecheckPeriod  string
	ConnectFrom    []string
	WakeFrom       []string
	MinHold        string
	FirstBytes     string
	WakeOn         []string
	SourceRate     string
	StartsPerHour  string
	StartsPerDay   string
	Gate           string
	ProxyIP        string
	ProxyPort      string
	DrainTimeout   string
	OnExit         string
	StateDir       string
	LogFormat      string
	LogLevel       string
	Trace          string
	AdminListen    string
	given          map[string]int // how often each flag was given, by name
}

// The groups of flags, in the order of the help.
const (
	GroupTarget   = "Target"
	GroupHooks    = "Hooks"
	GroupTimes    = "Times"
	GroupListener = "Listener"
	GroupGates    = "Gates"
	GroupDaemon   = "Daemon"
)

// A Definition says what a flag is. It has the methods of the Value that flag packages
// want (flag.Value of the standard library, pflag.Value), and fills in the Flags that it
// came from.
type Definition struct {
	Name        string // without dashes
	Placeholder string // of the value, for the help: PATH
	Default     string // in force when the flag is not given; empty: none, or said in Usage
	Usage       string // one line for the help, without the default
	Group       string // heading in the help
	Required    bool
	Repeatable  bool // may be given more than once

	path    string // of its value in a Config
	missing string // what to write when a required flag is missing
	flags   *Flags
	one     *string
	many    *[]string
}

// Set records one occurrence of the flag. It never fails: [FromFlags] judges.
func (d Definition) Set(value string) error {
	if d.flags.given == nil {
		d.flags.given = map[string]int{}
	}
	d.flags.given[d.Name]++
	if d.Repeatable {
		*d.many = append(*d.many, value)
	} else {
		*d.one = value
	}
	return nil
}

// String returns the value in force.
func (d Definition) String() string {
	switch {
	case d.many != nil:
		return strings.Join(*d.many, " ")
	case d.one != nil && (*d.one != "" || d.flags.given[d.Name] > 0):
		return *d.one
	default:
		return d.Default
	}
}

// Type returns the placeholder.
func (d Definition) Type() string { return d.Placeholder }

// Definitions returns the flags in the order of the help. Their values go into f.
func (f *Flags) Definitions() []Definition {
	return concat(f, f.targetFlags(), f.hookFlags(), f.timeFlags(), f.listenerFlags(), f.gateFlags(), f.daemonFlags())
}

// concat puts the groups together and ties each flag to f.
func concat(f *Flags, groups ...[]Definition) []Definition {
	var all []Definition
	for _, group := range groups {
		all = append(all, group...)
	}
	for i := range all {
		all[i].flags = f
	}
	return all
}

func (f *Flags) targetFlags() []Definition {
	return []Definition{
		{Name: "target-ip", Placeholder: "HOST", Group: GroupTarget, path: "targets[0].backend.host", one: &f.TargetIP, Required: true,
			missing: "write the IP address or host name of the target, such as --target-ip=192.168.100.15",
			Usage:   "IP address of the target, or a host name, which is resolved at each connection"},
		{Name: "target-port", Placeholder: "PORT", Group: GroupTarget, path: "targets[0].backend.port", one: &f.TargetPort, Required: true,
			missing: "write the port that the target listens on, such as --target-port=8000",
			Usage:   "port that the target listens on"},
		{Name: "target-name", Placeholder: "NAME", Group: GroupTarget, path: "targets[0].name", one: &f.TargetName,
			Usage: "name of the target in logs and hooks (default: its address and port)"},
		{Name: "probe", Placeholder: "PROBE", Group: GroupTarget, path: "targets[0].probe", one: &f.Probe, Default: "tcp",
			Usage: "how the target shows that it is ready: tcp, http:/path, https:/path, tls, tls:NAME, banner, banner:PREFIX or exec:PATH"},
		{Name: "settle", Placeholder: "DURATION", Group: GroupTarget, path: "targets[0].probe.settle", one: &f.Settle, Default: "50ms",
			Usage: "how long a fresh connection must stay open before the target counts as ready; with any other probe than tcp: " +
				"after this long it must be ready again (then the default is 0)"},
		{Name: "release-rate", Placeholder: "NUMBER", Group: GroupTarget, path: "targets[0].release_rate", one: &f.ReleaseRate, Default: "0",
			Usage: "how many clients a second are let through to a target that has just become ready; " +
				"0 is no limit (Linux only)"},
	}
}

func (f *Flags) hookFlags() []Definition {
	return []Definition{
		{Name: "hook-start-svc", Placeholder: "PATH", Group: GroupHooks, path: "targets[0].hooks.start", one: &f.HookStart, Required: true,
			missing: "write the path of the program that starts the target, such as --hook-start-svc=./start.sh",
			Usage:   "program that starts the target; it is run without a shell and without arguments"},
		{Name: "hook-stop-svc", Placeholder: "PATH", Group: GroupHooks, path: "targets[0].hooks.stop", one: &f.HookStop, Required: true,
			missing: "write the path of the program that stops the target, such as --hook-stop-svc=./stop.sh",
			Usage:   "program that stops the target"},
		{Name: "hook-status", Placeholder: "PATH", Group: GroupHooks, path: "targets[0].hooks.status", one: &f.HookStatus,
			Usage: "program that says whether the target runs (default: the probe alone decides)"},
		{Name: "hook-env", Placeholder: "NAME[=VALUE]", Group: GroupHooks, path: "targets[0].hooks.env", many: &f.HookEnv, Repeatable: true,
			Usage: "environment variable that hooks get, passed on or set here; may be repeated"},
	}
}

func (f *Flags) timeFlags() []Definition {
	return []Definition{
		{Name: "cooldown-period", Placeholder: "DURATION", Group: GroupTimes, path: "targets[0].cooldown", one: &f.CooldownPeriod, Default: "30m",
			Usage: "stop the target after this long without a client: 90s, 30m, 1h30m; " +
				"a bare number is seconds (the original tool counted minutes)"},
		{Name: "start-timeout", Placeholder: "DURATION", Group: GroupTimes, path: "targets[0].start_timeout", one: &f.StartTimeout, Default: "5m",
			Usage: "how long the target may take to become ready"},
		{Name: "stop-timeout", Placeholder: "DURATION", Group: GroupTimes, path: "targets[0].stop_timeout", one: &f.StopTimeout, Default: "5m",
			Usage: "how long the target may take to stop"},
		{Name: "recheck-period", Placeholder: "DURATION", Group: GroupTimes, path: "targets[0].recheck", one: &f.RecheckPeriod, Default: "1m",
			Usage: "how often to ask whether a sleeping target was started by somebody else; 0 never asks"},
	}
}

func (f *Flags) listenerFlags() []Definition {
	return []Definition{
		{Name: "proxy-ip", Placeholder: "IP", Group: GroupListener, one: &f.ProxyIP, Default: "0.0.0.0",
			Usage: "IP address to listen on; :: is every address, with IPv6"},
		{Name: "proxy-port", Placeholder: "PORT", Group: GroupListener, path: "routes[0].listen", one: &f.ProxyPort, Default: "8000",
			Usage: "port to listen on; 0 is any free one"},
	}
}

func (f *Flags) gateFlags() []Definition {
	return []Definition{
		{Name: "connect-from", Placeholder: "NETWORK", Group: GroupGates, path: "routes[0].gate.connect_from", many: &f.ConnectFrom, Repeatable: true,
			Usage: "who may connect: a network, an address, file:PATH with a list of them, or any; may be repeated (default: any)"},
		{Name: "wake-from", Placeholder: "NETWORK", Group: GroupGates, path: "routes[0].gate.wake_from", many: &f.WakeFrom, Repeatable: true,
			Usage: "who may wake the target, likewise; others are served while it is awake; may be repeated (default: any)"},
		{Name: "wake-on", Placeholder: "WORD", Group: GroupGates, path: "routes[0].gate.wake_on", many: &f.WakeOn, Repeatable: true,
			Usage: "what a client must say to wake the target: tls, http, ssh, postgres, minecraft, rdp, mqtt or redis; may be repeated"},
		{Name: "first-bytes-within", Placeholder: "DURATION", Group: GroupGates, path: "routes[0].gate.first_bytes", one: &f.FirstBytes, Default: "0",
			Usage: "within which time a client must say something to wake the target; 0 asks for nothing; not for servers that speak first"},
		{Name: "min-hold", Placeholder: "DURATION", Group: GroupGates, path: "routes[0].gate.min_hold", one: &f.MinHold, Default: "0",
			Usage: "how long a client must stay before it wakes the target: a scanner connects and goes"},
		{Name: "source-rate", Placeholder: "N/TIME", Group: GroupGates, path: "routes[0].gate.source_rate", one: &f.SourceRate,
			Usage: "how many connections one source may make, such as 20/1m"},
		{Name: "starts-per-hour", Placeholder: "NUMBER", Group: GroupGates, path: "targets[0].budget.starts_per_hour", one: &f.StartsPerHour,
			Usage: "how often the target may be started in any hour"},
		{Name: "starts-per-day", Placeholder: "NUMBER", Group: GroupGates, path: "targets[0].budget.starts_per_day", one: &f.StartsPerDay,
			Usage: "how often the target may be started in any 24 hours"},
		{Name: "gate", Placeholder: "WORD", Group: GroupGates, path: "routes[0].gate.observe", one: &f.Gate, Default: "enforce",
			Usage: "enforce, or observe: let everybody pass, and tell in the log who would have been refused"},
	}
}

func (f *Flags) daemonFlags() []Definition {
	return []Definition{
		{Name: "drain-timeout", Placeholder: "DURATION", Group: GroupDaemon, path: "drain", one: &f.DrainTimeout, Default: "30s",
			Usage: "how long live connections may last once rouse is told to end; 0 cuts them at once"},
		{Name: "on-exit", Placeholder: "WORD", Group: GroupDaemon, path: "on_exit", one: &f.OnExit, Default: "keep",
			Usage: "what becomes of a running target when rouse ends: keep or stop"},
		{Name: "state-dir", Placeholder: "DIR", Group: GroupDaemon, path: "state", one: &f.StateDir,
			Usage: "directory for what must survive a crash (default: one for each listener, in the user's state directory)"},
		{Name: "log-format", Placeholder: "WORD", Group: GroupDaemon, path: "log_format", one: &f.LogFormat, Default: "auto",
			Usage: "how log lines look: text, json, or auto, which is text on a terminal and else json"},
		{Name: "log-level", Placeholder: "WORD", Group: GroupDaemon, path: "log_level", one: &f.LogLevel, Default: "info",
			Usage: "the least that is logged: debug, info, warn or error"},
		{Name: "trace", Placeholder: "FILE", Group: GroupDaemon, path: "trace", one: &f.Trace,
			Usage: "file to which everything that happens is appended, for rouse trace check"},
		{Name: "admin-listen", Placeholder: "ADDRESS", Group: GroupDaemon, path: "admin.listen", one: &f.AdminListen,
			Usage: "where the dashboard and the API are, such as 127.0.0.1:8099; whoever asks needs the token that rouse dashboard prints"},
	}
}
