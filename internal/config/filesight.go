package config

// The entries of what is kept, shown, told and reckoned. They are like those in file.go.

// A HistoryEntry bounds what is kept. Connections are forgotten first, and how much a target was used last.
type HistoryEntry struct {
	// For how many days. 0 keeps nothing in a file.
	Days Number `yaml:"days" default:"400"`
	// How large the file may become, in megabytes.
	Megabytes Number `yaml:"megabytes" default:"256"`
}

// An AdminEntry opens the API and the dashboard.
type AdminEntry struct {
	// Address and port to listen on. Whoever connects needs the token.
	Listen Address `yaml:"listen" example:"127.0.0.1:8099"`
	// File with the token. Without it: `admin.token` in the state directory, which is made at the first start.
	TokenFile Path `yaml:"token-file" example:"/etc/rouse/token"`
	// Names by which a browser may call it, if not by its address: those of a proxy before it, say.
	Hosts Names `yaml:"hosts" example:"[rouse.example.org]"`
	// Whether `/metrics` wants the token: `token`, or `open` for anybody who can connect.
	Metrics Word `yaml:"metrics" default:"token" words:"token open"`
}

// A NotifyEntry is a way by which people are told. [Notifications](notifications.md) has more.
type NotifyEntry struct {
	// Name, for the log.
	Name Plain `yaml:"name" missing:"write a name for it" example:"phone"`
	// Where to: `https://` is a webhook; `ntfy://`, `gotify://`, `slack://`, `discord://` and `smtp://` are services. It is a secret:
	// write `${NAME}`, or `file:/path` of a file that has it.
	URL Plain `yaml:"url" missing:"write where to, such as ntfy://ntfy.example.org/rouse" example:"file:/etc/rouse/ntfy"`
	// Webhooks: the key by which messages are signed, likewise.
	Key Plain `yaml:"key" example:"file:/etc/rouse/webhook-key"`
	// What is told: `failures`, `recovered`, `budget`, `crash-loop`, `never-stops`, `wakes`, `stops`, `refusals`. Without it: the first four.
	Events Names `yaml:"events" example:"[failures, recovered, wakes]"`
	// Names of targets. Without it: all.
	Targets Names `yaml:"targets" example:"[web]"`
}

// A TelemetryEntry is a collector, by OTLP over HTTP.
type TelemetryEntry struct {
	// Where it is. `/v1/traces` is put behind it.
	Endpoint Plain `yaml:"endpoint" missing:"write where it is, such as http://127.0.0.1:4318" example:"http://127.0.0.1:4318"`
	// A header that it wants, `NAME: VALUE`. It is a secret: write `${NAME}`, or `file:/path` of a file that has it.
	Header Plain `yaml:"header" example:"file:/etc/rouse/otlp-header"`
	// Of how many connections in a hundred it is told.
	Percent Number `yaml:"percent" default:"100" example:"10"`
}

// An AutoCooldownEntry bounds the cooldown that is chosen.
type AutoCooldownEntry struct {
	// The shortest.
	Least Duration `yaml:"least" default:"1m"`
	// The longest.
	Most Duration `yaml:"most" default:"4h"`
}

// A CostEntry is what a target costs.
type CostEntry struct {
	// What an hour costs in which it is awake.
	PerHour Number `yaml:"per-hour" example:"0.40"`
	// What an hour costs in which it is stopped: its disks, say.
	StoppedPerHour Number `yaml:"stopped-per-hour" example:"0.02"`
	// What each start costs.
	PerStart Number `yaml:"per-start" example:"0.05"`
	// What it is worth that a person does not wait for an hour: a longer cooldown costs more, and makes fewer wait.
	WaitingPerHour Number `yaml:"waiting-per-hour" example:"30"`
	// The currency of all these, as a code of three letters.
	Currency Plain `yaml:"currency" default:"USD" example:"EUR"`
}

// A PowerEntry is what a target draws.
type PowerEntry struct {
	// Watts while it is awake.
	Watts Number `yaml:"watts" example:"60"`
	// Watts while it is stopped.
	StoppedWatts Number `yaml:"stopped-watts" example:"2"`
}
