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
//	unless    another key, beside which a missing one may be missing
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
	// What is kept of what has happened, for `rouse history`, `why`, `report` and `tune`, in one file in the state directory.
	History HistoryEntry `yaml:"history"`
	// Where rouse may be asked and steered over TCP, and where its dashboard is, beside the socket in the state directory.
	Admin AdminEntry `yaml:"admin"`
	// Who is told of what somebody has to look at, and how.
	Notify []NotifyEntry `yaml:"notify"`
	// A collector of OpenTelemetry that is told of the phases of connections, starts and stops.
	OpenTelemetry TelemetryEntry `yaml:"opentelemetry"`
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
	// How the target shows that it is ready. One value is written as the flag `--probe` has it: `tcp`, `http:/path`, `https:/path`,
	// `tls`, `tls:NAME`, `banner`, `banner:PREFIX` or `exec:PATH`. The long form has the keys below.
	Probe ProbeEntry `yaml:"probe" default:"tcp"`
	// Stop the target after this long without a client. `auto` chooses it anew each day by how the target was used, within the bounds
	// of `auto-cooldown`.
	Cooldown Cooldown `yaml:"cooldown" default:"30m"`
	// The bounds of `cooldown: auto`.
	AutoCooldown AutoCooldownEntry `yaml:"auto-cooldown"`
	// How long the target may take to become ready.
	StartTimeout Duration `yaml:"start-timeout" default:"5m"`
	// How long the target may take to stop.
	StopTimeout Duration `yaml:"stop-timeout" default:"5m"`
	// How often to ask whether a sleeping target was started by somebody else. 0 never asks.
	Recheck Duration `yaml:"recheck" default:"1m"`
	// How many clients a second are let through on each listener to a target that has just become ready, such as 50 or 0.5.
	// 0 is no limit (Linux only).
	ReleaseRate Number `yaml:"release-rate" default:"0"`
	// Do not stop the target before it has been up for this long.
	MinUptime Duration `yaml:"min-uptime" default:"0"`
	// How many clients are served at once. The others wait in order of arrival. 0 is no limit.
	MaxConnections Number `yaml:"max-connections" default:"0"`
	// What may be spent on waking it. What is spent is kept over a restart, and each limit heals by itself.
	Budget BudgetEntry `yaml:"budget"`
	// Times in which it is kept awake.
	AlwaysOn []WindowEntry `yaml:"always-on"`
	// Times in which no client wakes it. Whoever finds it awake is served.
	NeverWake []WindowEntry `yaml:"never-wake"`
	// Names of targets that have to be awake for this one, such as the host of a virtual machine. They are woken before it, and
	// kept awake until it has been stopped.
	Needs Names `yaml:"needs" example:"[nas]"`
	// Names under which several targets are spoken of together, as in `rouse hold lab`.
	Groups Names `yaml:"groups" example:"[lab]"`
	// Once no connection has carried a byte for this long, either way, all of them are closed, and the cooldown begins. 0 never
	// closes any: a client counts for as long as it is connected.
	NoTraffic Duration `yaml:"no-traffic" default:"0" example:"20m"`
	// What may say that the target is busy although nobody is connected: it is then not stopped yet.
	Busy BusyEntry `yaml:"busy"`
	// How a start or a stop that has failed is tried again.
	Retry RetryEntry `yaml:"retry"`
	// When a target that keeps dying is not woken for a while.
	CrashLoop CrashLoopEntry `yaml:"crash-loop"`
	// What the target costs, for reports, for `rouse tune`, and for a `budget` in money that names no prices.
	Cost CostEntry `yaml:"cost"`
	// What the target draws, for reports.
	Power PowerEntry `yaml:"power"`
}

// A BudgetEntry bounds what may be spent on waking one target. It never stops a target: it keeps it from being woken.
type BudgetEntry struct {
	// How often the target may be started in any hour. A start that fails and is tried again counts each time.
	StartsPerHour Number `yaml:"starts-per-hour" example:"6"`
	// How often it may be started in any 24 hours.
	StartsPerDay Number `yaml:"starts-per-day" example:"20"`
	// How many hours of a calendar day it may be awake before it is woken no more.
	HoursPerDay Number `yaml:"hours-per-day" example:"10"`
	// How many hours of a calendar month it may be awake before it is woken no more.
	HoursPerMonth Number `yaml:"hours-per-month" example:"160"`
	// What it may cost on a calendar day, by the two prices, before it is woken no more.
	MoneyPerDay Number `yaml:"money-per-day" example:"2.50"`
	// What an hour awake costs, in any currency.
	PricePerHour Number `yaml:"price-per-hour" example:"0.40"`
	// What each start costs.
	PricePerStart Number `yaml:"price-per-start" example:"0.05"`
	// Who wakes it all the same: networks, addresses, `file:/path` with a list of them, or `any`.
	Exempt Networks `yaml:"exempt" example:"[192.168.1.0/24]"`
}

// A WindowEntry is a time that comes again and again.
type WindowEntry struct {
	// When it begins, as in a crontab: minute, hour, day of the month, month, day of the week.
	Cron Plain `yaml:"cron" missing:"write five fields, such as 0 8 * * MON-FRI" example:"0 8 * * MON-FRI"`
	// How long it lasts.
	For Duration `yaml:"for" missing:"write how long it lasts, such as 10h" example:"10h"`
	// Time zone in which `cron` is meant. Without it: that of the machine.
	TimeZone Plain `yaml:"time-zone" example:"Europe/Berlin"`
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
	// The way to ask: `tcp` (it accepts a connection and keeps it), `http` or `https` (it answers a GET of `path` with one of
	// `status`), `tls` (it shakes hands), `banner` (it speaks first, beginning with `expect`) or `exec` (`command` exits with 0).
	Kind Word `yaml:"kind" missing:"write tcp, http, https, tls, banner or exec" words:"tcp http https tls banner exec"`
	// http, https: path of the request, with any query. Without it: `/`.
	Path Plain `yaml:"path" example:"/healthz"`
	// http, https: the status codes that show it to be ready, alone or as `FIRST-LAST`. Without it: 200-399, a success or a redirect.
	Status Names `yaml:"status" example:"[200, 401]"`
	// tls, https: the name that it is asked for (SNI). Without it: the target's host, if that is a name.
	ServerName Host `yaml:"server-name" example:"shop.example.org"`
	// tls, https: whether its certificate must be one that this machine trusts, for that name.
	Verify Word `yaml:"verify" default:"no" words:"no yes"`
	// banner: what the target says first. Without it any text will do.
	Expect Plain `yaml:"expect" example:"SSH-2.0"`
	// exec: path of a program, or a list of its path and its arguments.
	Command Command `yaml:"command"`
	// Which of the `backends` is asked. Without it: the first.
	Backend Plain `yaml:"backend" example:"ssh"`
	// How long it must go on. tcp: a fresh connection must stay open for it. Other kinds: the target is asked again after it, and must be
	// ready both times. Without it: 50ms for tcp, and 0, which asks once, for the others.
	Settle Duration `yaml:"settle" example:"2s"`
	// How long between two attempts. Without it: as short as costs little, and longer for a target that takes long.
	Interval Duration `yaml:"interval" example:"5s"`
	// How long one attempt may take. Without it: 3s, 10s for exec, and longer for a target that takes long.
	Timeout Duration `yaml:"timeout" example:"2s"`

	short Text // the whole probe as one value
}

// A ListenerEntry is one or several addresses on which clients are accepted, and where they lead.
type ListenerEntry struct {
	// Where to listen: `PORT` (every IPv4 address of this machine), `IP:PORT`, or a row of ports `FIRST-LAST` or
	// `IP:FIRST-LAST`, which lead to a row of as many ports, one to one; or a list of these. IPv6 has brackets and quotes:
	// `"[::]:22"`, where `::` is every address, IPv4 too. Port 0 is any free one.
	Listen Listens `yaml:"listen" missing:"write an address such as 0.0.0.0:8000" example:"192.168.1.2:2222"`
	// Name of the target. It may be left out where there are `routes`: then whoever fits none of them is refused.
	Target Plain `yaml:"target" missing:"write the name of a target" unless:"routes"`
	// Which of the target's `backends`, if it has several.
	Backend Plain `yaml:"backend" example:"ssh"`
	// Other targets, by what the client says first. The first that fits is taken. The bytes are looked at and passed on untouched.
	Routes []ChoiceEntry `yaml:"routes"`
	// Who may connect: networks, addresses, `file:/path` with a list of them, which is read again when it changes, or `any`.
	// Others are reset.
	ConnectFrom Networks `yaml:"connect-from" default:"any" example:"[192.168.0.0/16, \"fd00::/8\"]"`
	// Who may wake the target, likewise. Others are served while it is awake. On a public address this must be written.
	WakeFrom Networks `yaml:"wake-from" default:"any" example:"file:/etc/rouse/friends"`
	// Whether the gate acts. `observe` lets everybody pass and tells in the log who would have been refused.
	Gate Word `yaml:"gate" default:"enforce" words:"enforce observe"`
	// How long a client must stay before it wakes the target: a scanner connects and goes.
	MinHold Duration `yaml:"min-hold" default:"0" example:"500ms"`
	// Within which time a client must say something to wake the target. 0 asks for nothing. Not for servers that speak first.
	FirstBytesWithin Duration `yaml:"first-bytes-within" default:"0" example:"3s"`
	// What a client must say to wake the target: one or several of `tls`, `http`, `ssh`, `postgres`, `minecraft` (a login, no status
	// ping), `rdp`, `mqtt`, `redis`, or an entry with the keys below. It has `first-bytes-within`, or 5 s, for it.
	WakeOn ShapeEntries `yaml:"wake-on" example:"ssh"`
	// How many connections one source may make: so many in a time. A source is an address of IPv4, or a /56 of IPv6.
	SourceRate Plain `yaml:"source-rate" example:"20/1m"`
	// How many connections are taken on this listener, all in all.
	Rate Plain `yaml:"rate" example:"500/1s"`
	// Who only checks whether somebody answers. Such a client never wakes the target and never keeps it awake.
	Health HealthEntry `yaml:"health"`
	// Which clients are proxies that begin with a PROXY protocol header, version 1 or 2. Then the client is whom it names.
	ProxyProtocolFrom Networks `yaml:"proxy-protocol-from" example:"10.0.0.2"`
	// Version of the PROXY protocol header that the backend is sent: `v1` or `v2`.
	SendProxyProtocol Word `yaml:"send-proxy-protocol" default:"none" words:"none v1 v2"`
	// Whether the backend sees the client's own address in place of rouse's (Linux, with CAP_NET_ADMIN). What the backend answers has to
	// come back through this machine: [Routing](routing.md) says how.
	Transparent Word `yaml:"transparent" default:"no" words:"no yes"`
	// unix sockets: permissions of the socket, which say who may connect.
	Mode Plain `yaml:"mode" default:"0660"`
}

// A HealthEntry is about clients that only check whether somebody answers.
type HealthEntry struct {
	// Networks or addresses of health checkers.
	From Networks `yaml:"from" example:"10.0.0.2"`
	// What they get: `closed` is a reset, `accept` a connection that ends in order, `http` a response with the state of the target.
	Answer Word `yaml:"answer" default:"accept" words:"closed accept http"`
}

// A ChoiceEntry leads clients by what they say: to one protocol belongs one of the first keys.
type ChoiceEntry struct {
	// TLS: names of servers that the client asks for (SNI). `"*"` is any, `"*.example.org"` all below it.
	TLS Names `yaml:"tls" example:"[shop.example.org, \"*.shop.example.org\"]"`
	// HTTP: hosts; or keys `host`, `path`, `method` and `user-agent`.
	HTTP HTTPEntry `yaml:"http" example:"{host: wiki.example.org, path: /w}"`
	// Minecraft, Java edition: hosts that the player has typed.
	Minecraft Names `yaml:"minecraft" example:"build.example.org"`
	// PostgreSQL: databases; or keys `database` and `user`.
	Postgres PostgresEntry `yaml:"postgres" example:"{database: shop, user: [alice, bob]}"`
	// Any protocol: a regular expression (RE2) that matches from the first byte on.
	Regexp Plain `yaml:"regexp" example:"\\x00\\x01"`
	// Name of the target.
	Target Plain `yaml:"target" missing:"write the name of a target"`
	// Which of the target's `backends`, if it has several.
	Backend Plain `yaml:"backend" example:"ssh"`
}

// A ShapeEntry is what a client says that wakes a target.
type ShapeEntry struct {
	// TLS: names of servers that the client asks for.
	TLS Names `yaml:"tls" example:"shop.example.org"`
	// HTTP: hosts; or keys `host`, `path`, `method` and `user-agent`.
	HTTP HTTPEntry `yaml:"http" example:"{path: /app, user-agent: \"!bot\"}"`
	// Minecraft: hosts that the player has typed.
	Minecraft Names `yaml:"minecraft" example:"build.example.org"`
	// Minecraft: whether a status ping wakes, too.
	Status Word `yaml:"status" default:"no" words:"no yes"`
	// PostgreSQL: databases; or keys `database` and `user`.
	Postgres PostgresEntry `yaml:"postgres" example:"shop"`
	// Any protocol: a regular expression (RE2) that matches from the first byte on.
	Regexp Plain `yaml:"regexp" example:"EHLO "`

	short Text // the protocol alone
}

// An HTTPEntry is what a request has to be. An entry that begins with ! excludes.
type HTTPEntry struct {
	// Hosts.
	Host Names `yaml:"host"`
	// Paths, or their beginnings: /app is /app and /app/x.
	Path Names `yaml:"path"`
	// Methods, such as GET.
	Method Names `yaml:"method"`
	// Parts of the User-Agent.
	UserAgent Names `yaml:"user-agent"`

	at mark // where it stands; of none it is zero
}

// A PostgresEntry is what a client of PostgreSQL has to want.
type PostgresEntry struct {
	// Databases.
	Database Names `yaml:"database"`
	// Users.
	User Names `yaml:"user"`

	at mark
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
	// A Cooldown is a Duration, or is chosen.
	Cooldown Text
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
	// Names are any texts.
	Names Texts
	// Networks are networks, addresses, files with lists of them, or any.
	Networks Texts
)

// ShapeEntries are one or several.
type ShapeEntries []ShapeEntry

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
