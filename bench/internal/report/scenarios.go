package report

import "slices"

// direct is the candidate without a proxy, of which others are shown as a multiple.
const direct = "direct"

// Scenario describes one table. The key, and those of its columns, are those of the samples.
type Scenario struct {
	Key, Title, Note string
	Columns          []Column
}

// Column is one figure of a scenario.
type Column struct {
	Key, Title string
	Direct     bool // also show it as a multiple of the direct way
}

var (
	bulkColumns = []Column{
		{"gbps", "GB/s", true}, {"cpu", "proxy CPU s/GB", false},
		{"machine", "whole machine CPU s/GB", true}, {"fair", "slowest/fastest stream", false},
	}
	latencyColumns = []Column{
		{"p50", "p50 µs", true}, {"p99", "p99 µs", true}, {"rate", "round trips/s", false}, {"cpu", "proxy CPU µs/trip", false},
	}
	wakeColumns = []Column{
		{"echoed", "echoed", false}, {"detect", "listens → first accept ms", false}, {"first", "first echo ms", false},
		{"middle", "middle echo ms", false}, {"last", "last echo ms", false}, {"cpu", "proxy CPU s", false},
		{"rss", "RSS B/waiting client", false}, {"fds", "descriptors/waiting client", false}, {"accepts", "backend accepts", false},
	}
)

const wakeNote = "Here `rouse` runs with `--settle=0`: like HAProxy it then does not ask whether the target stays up. " +
	"`rouse-settle` has the default of 50 ms. HAProxy lets each client retry every 20 ms."

// Scenarios are the tables in the order of the page.
var Scenarios = []Scenario{
	{"up1", "Bulk, 1 stream, client to backend", "", bulkColumns},
	{"down1", "Bulk, 1 stream, backend to client", "", bulkColumns},
	{"up8", "Bulk, 8 streams, client to backend", "", bulkColumns},
	{"down8", "Bulk, 8 streams, backend to client", "", bulkColumns},
	{"pinned", "1 connection, 1 byte there and back; client, proxy and backend on one core", "", latencyColumns},
	{"single", "1 connection, 1 byte there and back, not pinned",
		"Wake-ups across cores dominate here and change from run to run: read the pinned figures instead.", latencyColumns},
	{"trips", "64 connections, 1 byte there and back", "", []Column{
		{"rate", "round trips/s", true}, {"cpu", "proxy CPU µs/trip", false}, {"p50", "p50 µs", true}, {"p99", "p99 µs", true}}},
	{"conns", "Short connections, 64 at a time: connect, 1 byte there and back, close", "", []Column{
		{"rate", "connections/s", true}, {"cpu", "proxy CPU µs/connection", false}, {"p50", "p50 µs", true}, {"p99", "p99 µs", true}}},
	{"mixed", "1 connection with 1 byte there and back, beside 8 bulk streams", "", []Column{
		{"p99", "p99 µs", true}, {"p50", "p50 µs", true}, {"gbps", "bulk GB/s", true}, {"cpu", "proxy CPU s/GB", false}}},
	{"idle", "Idle connections", "Each proxy is fresh from its start. Kernel slab is that of all socket ends: four with a proxy, two without.", idleColumns},
	{"idlemost", "The same, as many as fit", "", idleColumns},
	{"wake", "Wake: clients wait, the backend opens later, with a backlog of 4,096", wakeNote, wakeColumns},
	{"wake128", "The same, backend with a backlog of 128", "", wakeColumns},
	{"crowd", "Wake: as many clients as the descriptor limit allows", "", wakeColumns},
	{"waiting", "CPU while one client waits for a long boot", "", []Column{
		{"early", "% of a core, second 0.5 to 9.5", false}, {"late", "% of a core, second 12 to 20", false}}},
	{"verify", "Every byte compared, 4 streams up, then down", "", []Column{{"checks", "streams", false}}},
	{"halfclose", "Half-close: the client ends first and must still get the whole answer", "", []Column{{"checks", "trials", false}}},
}

var idleColumns = []Column{
	{"rss", "RSS B/connection", false}, {"slab", "kernel slab B/connection", true}, {"fds", "descriptors/connection", false},
	{"cpu", "idle CPU %", false}, {"wakeups", "wake-ups/s", false}, {"held", "connections", false},
	{"before", "RSS at start MB", false}, {"after", "RSS after closing MB", false},
}

// Headline is the key of a scenario's first column, or empty for an unknown scenario.
func Headline(scenario string) string {
	i := slices.IndexFunc(Scenarios, func(s Scenario) bool { return s.Key == scenario })
	if i < 0 {
		return ""
	}
	return Scenarios[i].Columns[0].Key
}
