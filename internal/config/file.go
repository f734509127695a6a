package config

//go:generate go run ../../scripts/configdoc -root ../..

// The types below are the config file: their tags name the keys, their comments are the reference (docs/config.md) and the
// schema for editors (docs/rouse.schema.json), which go generate writes. Values are kept as they were written, as flags are,
// so that everything wrong in them can be reported at once. The tags:
//
//	yaml      the key
//	default   what is in force without it
//	missing   what to write, for a key that must be there
//	words     the words that it may be
//	example   a value, for the reference

// A File is what one config file says. Several are put together; each setting of the program may stand in one of them.
type File struct {
	// Directory for what must survive a crash. Without it: the one of the service manager or of the user
	// (`$STATE_DIRECTORY`, `$XDG_STATE_HOME/rouse` or `~/.local/state/rouse`), and in it a folder for the first listener.
	StateDir Path `yaml:"state-dir" example:"/var/lib/rouse"`
	// How log lines look. `auto` is text on a terminal and else JSON.
	LogFormat Word `yaml:"log-format" default:"auto" words:"auto text json"`
	// The least that is logged.
	LogLevel Word `yaml:"log-level" default:"info" words:"debug info warn error"`
	// How long live connections may last once rouse is told to end. 0 cuts them at once.
	DrainTimeout Duration `yaml:"drain-timeout" default:"30s"`
	// What becomes of running targets when rouse ends: `keep` leaves them for the next rouse to adopt, `stop` stops them.
	OnExit Word `yaml:"on-exit" default:"keep" words:"keep stop"`
	// File to which everything that happens is appended, for `rouse trace check`.
	Trace Path `yaml:"trace" example:"/var/log/rouse/trace.jsonl"`
	// What sleeps and wakes, by name. The name stands in the log and in `ROUSE_TARGET`. Names are unique over all files.
	Targets NamedTargets `yaml:"targets"`
	// The addresses on which clients are accepted, and where each of them leads.
	Listeners []ListenerEntry `yaml:"listeners"`
}

// A TargetEntry is one target: what sleeps and wakes as a whole, with one or many ports.
type TargetEntry struct {
	// Address of a target with one port, `HOST:PORT`, or with one row of ports, `HOST:FIRST-LAST`. The host is an IP address or
	// a name, which is resolved at each connection; IPv6 has brackets, and then quotes: `"[fd00::15]:22"`. Several ports
	// that are not a row are written as `host` and `backends` in its place.
	Backend Address `yaml:"backend" example:"192.168.100.15:8000"`
	// Address of a target with several ports: an IP address without brackets, or a name.
	Host Host `yaml:"host" example:"192.168.100.15"`
	// The ports of `host`, by name: a port, or a row of ports `FIRST-LAST`.
	Backends NamedPorts `yaml:"backends"`
	// The programs that start and stop the target.
	Hooks HooksEntry `yaml:"hooks" missing:"write start: and stop: below it, each with the path of a program"`
	// How the target shows that it is ready. One value is written as the flag `--probe` has it: `tcp`, `http:/path`,
	// `banner`, `banner:PREFIX` or `exec:PATH`. The long form has the keys below.
	Probe ProbeEntry `yaml:"probe" default:"tcp"`
	// Stop the target after this long without a client.
	Cooldown Duration `yaml:"cooldown" default:"30m"`
	// How long the target may take to become ready.
	StartTimeout Duration `yaml:"start-timeout" default:"5m"`
	// How long the target may take to stop.
	StopTimeout Duration `yaml:"stop-timeout" default:"5m"`
	// How often to ask whether a sleeping target was started by somebody else. 0 never asks.
	Recheck Duration `yaml:"recheck" default:"1m"`
	// How many clients a second are let through on each listener to a target that has just become ready, such as 50 or 0.5.
	// 0 is no limit (Linux only).
	ReleaseRate Number `yaml:"release-rate" default:"0"`
}

// A HooksEntry is the user's own programs for one target. docs/hooks.md has what rouse gives them and expects of them.
type HooksEntry struct {
	// Program that starts the target: its path, or a list of its path and its arguments. No shell runs it, and it is not
	// looked up in `PATH`. A relative path begins where rouse was started, not at the file.
	Start Command `yaml:"start" missing:"write the path of the program that starts the target" example:"[/etc/rouse/vm.sh, start, web]"`
	// Program that stops the target.
	Stop Command `yaml:"stop" missing:"write the path of the program that stops the target" example:"[/etc/rouse/vm.sh, stop, web]"`
	// Program that says whether the target runs. Without it the probe alone decides.
	Status Command `yaml:"status"`
	// Environment variables that the hooks get beside `PATH`, `HOME` and what rouse itself sets, by name: a value; nothing, which
	// passes rouse's own variable on; or `file: PATH`, whose text is the value. None is ever shown.
	Env Variables `yaml:"env"`
}

// A ProbeEntry is the long form of a probe.
type ProbeEntry struct {
	// The way to ask: `tcp` (it accepts a connection and keeps it), `http` (it answers a GET of `path` with a success or a
	// redirect), `banner` (it speaks first, beginning with `expect`) or `exec` (`command` exits with 0).
	Kind Word `yaml:"kind" missing:"write tcp, http, banner or exec" words:"tcp http banner exec"`
	// http: path of the request, with any query. Without it: `/`.
	Path Plain `yaml:"path" example:"/healthz"`
	// banner: what the target says first. Without it any text will do.
	Expect Plain `yaml:"expect" example:"SSH-2.0"`
	// exec: path of a program, or a list of its path and its arguments.
	Command Command `yaml:"command"`
	// Which of the `backends` is asked. Without it: the first.
	Backend Plain `yaml:"backend" example:"ssh"`
	// How long a fresh connection must stay open before the target counts as ready (kind `tcp` only).
	Settle Duration `yaml:"settle" default:"50ms"`

	short Text // the whole probe as one value
}

// A ListenerEntry is one or several addresses on which clients are accepted, and where they lead.
type ListenerEntry struct {
	// Where to listen: `PORT` (every IPv4 address of this machine), `IP:PORT`, or a row of ports `FIRST-LAST` or
	// `IP:FIRST-LAST`, which lead to a row of as many ports, one to one; or a list of these. IPv6 has brackets and quotes:
	// `"[::]:22"`, where `::` is every address, IPv4 too. Port 0 is any free one.
	Listen Listens `yaml:"listen" missing:"write an address such as 0.0.0.0:8000" example:"192.168.1.2:2222"`
	// Name of the target.
	Target Plain `yaml:"target" missing:"write the name of a target"`
	// Which of the target's `backends`, if it has several.
	Backend Plain `yaml:"backend" example:"ssh"`
}

// A Text is one value as it was written, with its variables put in, and where.
type Text struct {
	raw      string
	at       mark
	given    bool   // else it is the default
	variable string // NAME, if ${NAME} or more of them stand in it
	bad      bool   // what is wrong with it is told already
}

// unread is the text when it could not be had.
func (t Text) unread() Text { return Text{at: t.at, given: true, bad: true} }

// keep keeps the line of a text from being shown: behind the first word of a command there may be a password.
func (t *Text) keep() {
	t.at.private = true
	if t.at.source != nil {
		t.at.source.hide(stretch{t.at.line, t.at.column, t.at.line})
	}
}

// The kinds of values. They are told apart in the schema.
type (
	// A Duration has units, or is a whole number of seconds.
	Duration Text
	// A Path is one of this machine.
	Path Text
	// A Word is one of a few.
	Word Text
	// A Number is one of plain digits.
	Number Text
	// An Address is HOST:PORT or HOST:FIRST-LAST.
	Address Text
	// A Host is an IP address or a name.
	Host Text
	// A Plain is any text.
	Plain Text
)

// Several values of which one may stand alone, without a list.
type (
	// Texts is the general form.
	Texts []Text
	// A Command is a path and arguments.
	Command Texts
	// Listens are addresses to listen on.
	Listens Texts
)

// NamedTargets are the targets of one file, in its order.
type NamedTargets []NamedTarget

// A NamedTarget is a target with its name.
type NamedTarget struct {
	Name  Text
	Entry TargetEntry
}

// NamedPorts are the ports of a host by name, in the order of the file.
type NamedPorts []NamedPort

// A NamedPort is a port, or a row of them, with its name.
type NamedPort struct{ Name, Ports Text }

// Variables are the environment of hooks, in the order of the file.
type Variables []VariableEntry

// A VariableEntry is one variable: with a value, with a file that has the value, or passed on.
type VariableEntry struct {
	Name        Text
	Value, File Text // at most one is given
}
