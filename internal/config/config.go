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
	"io/fs"
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
	History   History
	Admin     Admin
	Notify    []Notify
	Telemetry Telemetry
}

// Named returns the target of that name; nil if there is none.
func (c *Config) Named(name string) *Target {
	for i := range c.Targets {
		if c.Targets[i].Name == name {
			return &c.Targets[i]
		}
	}
	return nil
}

// target returns the one of that name; the zero Target if there is none.
func (c *Config) target(name string) Target {
	if t := c.Named(name); t != nil {
		return *t
	}
	return Target{}
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

	MinUptime      time.Duration // it is not stopped before it has been up for this long
	MaxConnections int           // clients that are served at once; the others wait in order of arrival; 0: no limit
	Needs          []string      // names of targets that are awake while this one is
	AlwaysOn       []Window      // when it is kept awake
	NeverWake      []Window      // when no client wakes it
	Groups         []string      // names under which it may be spoken of together with others
	Budget         Budget
	NoTraffic      time.Duration // without a byte on any connection, after which all are closed; 0: never
	Busy           Busy
	Retry          Retry
	CrashLoop      CrashLoop
	Cost           Cost
	Power          Power
	Auto           AutoCooldown
}

// A History says what is kept of what has happened.
type History struct {
	Off  bool          // nothing is kept in a file
	Keep time.Duration // 0: 400 days
	Size int64         // bytes; 0: 256 MiB
}

// An Admin says where a person may talk to rouse, beside the unix socket in the state directory.
type Admin struct {
	Listen      netip.AddrPort // zero: nowhere
	TokenFile   string         // what opens it; empty: admin.token in the state directory, which is made
	Hosts       []string       // names by which a browser may call it, beside its address
	OpenMetrics bool           // the metrics are told without the token
}

// A Notify is a way by which people are told.
type Notify struct {
	Name    string
	URL     Secret
	Key     Secret   // signs what is sent to a webhook
	Events  []string // empty: what somebody has to look at
	Targets []string // empty: all
}

// A Telemetry says who is told of the phases of connections. The zero value: nobody.
type Telemetry struct {
	Endpoint string
	Header   Secret
	Percent  float64 // of connections
}

// A Cost is what a target costs, in any currency. The zero value is not known.
type Cost struct {
	PerHour, StoppedPerHour, PerStart float64
	WaitingPerHour                    float64 // what an hour of a person's waiting is worth
	Currency                          string
}

// Known says whether there are prices.
func (c Cost) Known() bool { return c.PerHour > 0 || c.PerStart > 0 }

// A Power is what a target draws. The zero value is not known.
type Power struct{ Watts, StoppedWatts float64 }

// An AutoCooldown chooses the cooldown by how the target was used. The zero value does not.
type AutoCooldown struct {
	On          bool
	Least, Most time.Duration
}

// A Window is a time that comes again and again.
type Window struct {
	Cron string         // when it begins: five fields
	For  time.Duration  // how long it lasts
	Zone *time.Location // in which Cron is meant; nil: that of this machine
}

// A Budget bounds what may be spent on waking. Zero fields bound nothing.
type Budget struct {
	StartsPerHour, StartsPerDay int           // in any hour, in any 24 hours
	HoursPerDay, HoursPerMonth  time.Duration // awake in a calendar day and month of this machine
	MoneyPerDay                 float64       // in a calendar day, at the prices below
	PricePerHour, PricePerStart float64
	Exempt                      Sources // who may wake it all the same
}

// Sources are networks from which clients come. The zero value is nobody, or is not stated.
type Sources struct {
	Any      bool
	Prefixes []netip.Prefix
	Files    []string // one network in a line; read again when they change
}

// Stated reports whether anybody is said to belong to them.
func (s Sources) Stated() bool { return s.Any || len(s.Prefixes)+len(s.Files) > 0 }

// A Backend is the network address that is dialled on a ready target.
type Backend struct {
	Host   string // an IP address without brackets, or a host name to resolve at each dial
	Port   uint16
	Socket string // path of a unix socket, instead of Host and Port
}

// Address returns host:port, with brackets around an IPv6 address, or unix:path.
func (b Backend) Address() string {
	if b.Socket != "" {
		return "unix:" + b.Socket
	}
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
	ProbeHTTP   ProbeKind = "http"   // it answers a GET of Path with one of Status
	ProbeHTTPS  ProbeKind = "https"  // likewise, over TLS
	ProbeTLS    ProbeKind = "tls"    // it shakes hands
	ProbeBanner ProbeKind = "banner" // it speaks first, beginning with Expect
	ProbeExec   ProbeKind = "exec"   // Command exits with 0
)

// A Probe says when a target is ready. Only the fields of its kind are set.
type Probe struct {
	Kind    ProbeKind
	Path    string        // http, https: of the request, with any query
	Status  []StatusRange // http, https: of the answer; none: 200 to 399
	Expect  string        // banner: what it must begin with; empty: any byte will do
	Command []string      // exec: path of a program and its arguments

	ServerName string // tls, https: that is asked for; empty: the host of the backend, if it is a name
	Verify     bool   // tls, https: whether the certificate must be trusted

	Settle   time.Duration // tcp: how long a fresh connection must stay open to count; else: after which it is asked again
	Interval time.Duration // between attempts; 0: rouse's own rhythm
	Timeout  time.Duration // of an attempt; 0: by the kind

	SendProxy string // v1 or v2: the header that all clients of its port come with, so that the probe has to as well; empty: none
}

// A StatusRange is a row of HTTP status codes.
type StatusRange struct{ First, Last int }

// A Busy says who may put off a stop. Without Command and Path nobody may.
type Busy struct {
	Command []string      // of which an exit with 0 says busy
	Path    string        // of a GET, of which a success says busy
	Every   time.Duration // until it is asked again
	Timeout time.Duration // of one answer
	AtMost  time.Duration // for which a stop is put off
}

// asks says whether there is anybody to ask.
func (b Busy) asks() bool { return len(b.Command) > 0 || b.Path != "" }

// A Retry says how a start or stop that failed is tried again. The zero value stands for the defaults.
type Retry struct {
	Pause        time.Duration // after the first failure; it doubles
	LongestPause time.Duration
	RefuseAfter  int // failed starts in a row through which clients are held
}

// A CrashLoop says when a target dies too often to be woken. Without Deaths it never does.
type CrashLoop struct {
	Deaths        int
	Within, Pause time.Duration
}

// A Route leads from a listener to a target, or to several by what the client says.
type Route struct {
	Listen  netip.AddrPort // port 0: any free one
	Socket  UnixListen     // instead of Listen, where its path is set
	To                     // whoever fits none of Choices; no target: is refused
	Choices []Choice       // by what the client says; the first that fits
	Gate    Gate

	ProxyFrom Sources // who begins with a PROXY protocol header
	SendProxy string  // v1 or v2: what is sent to the backend; empty: none

	Transparent bool // the backend is connected to from the client's own address
}

// To is where a client is led.
type To struct {
	Target string // name of the target
	Port   uint16 // dialled on the host of its backend, wherever that is; 0: the port of the backend itself
	Path   string // of a unix socket that is dialled instead
}

// A UnixListen is a unix socket on which clients are accepted.
type UnixListen struct {
	Path string
	Mode fs.FileMode // of the socket: who may connect
}

// A Choice leads whoever says what fits the shape.
type Choice struct {
	Shape Shape
	To
}

// A Shape says what clients say at first: a kind of protocol and details of it, all of which must fit; or a Regexp.
type Shape struct {
	Kind       string   // tls, http, ssh, postgres, minecraft, rdp, mqtt or redis
	Names      []string // tls: server name; http, minecraft: host; exact, or *.example.org
	Paths      []string // http: the path or the beginning of it
	Methods    []string // http
	UserAgents []string // http: part of it
	Databases  []string // postgres
	Users      []string // postgres
	Status     bool     // minecraft: a status ping fits, too
	Regexp     string   // of the first bytes, from the very first one
}

// A Gate says who may connect on a route, and who may wake its target.
type Gate struct {
	Observe     bool    // what would be refused is only told
	ConnectFrom Sources // not stated: anybody
	WakeFrom    Sources // not stated: anybody, which a public listener of a file must state
	MinHold     time.Duration
	FirstBytes  time.Duration // within which a client that wakes must have said something; 0: it need not
	WakeOn      []Shape       // of which a client that wakes must fit one; empty: it need not
	SourceRate  Rate          // of connections from one IPv4 address or one IPv6 /56
	RouteRate   Rate          // of connections on the route
	Health      Health
}

// A Rate is so many within a time. The zero value is no limit.
type Rate struct {
	Count  int
	Within time.Duration
}

// Health says what health checkers get, which never wake the target and never keep it awake.
type Health struct {
	From   Sources
	Answer HealthAnswer
}

// A HealthAnswer is what a health checker gets.
type HealthAnswer string

// The answers.
const (
	HealthClosed HealthAnswer = "closed" // a reset
	HealthAccept HealthAnswer = "accept" // an end in order
	HealthHTTP   HealthAnswer = "http"   // 200 with the state of the target
)

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
