package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rouse-proxy/rouse/bench/internal/perf"
	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// Profile is what perf has seen of a candidate in one scenario.
type Profile struct {
	Scenario, Candidate string
	Samples             map[string]int     `json:",omitempty"` // of CPU time, by what they belong to
	Calls               map[string]float64 `json:",omitempty"` // system calls by name
	Work                float64            // what they were made for, in the scenario's unit
	Note                string             `json:",omitempty"` // why something is not there
}

// Profiled is a scenario of which there are profiles.
type Profiled struct{ Key, Title, Unit string }

// Profiles are the scenarios that are profiled, in the order of the page.
var Profiles = []Profiled{
	{"up8", "Bulk, 8 streams, client to backend", "GB"},
	{"trips", "64 connections, 1 byte there and back", "round trip"},
	{"conns", "Short connections, 64 at a time", "connection"},
	{"wake", "Wake, from the first waiting client to the last answer", "waiting client"},
}

const profileNote = `What rouse's CPU time goes into, and how many system calls it makes beside others. ` + "`perf`" + ` looked at each process from
outside, in runs of their own after those above: once it took samples of rouse's CPU time, once it counted each system call.

- A sample belongs to the system call that it is in. On loopback a call that sends does much of the receiver's work as well.
- The Go runtime is its scheduler and its collector of garbage; what they ask of the kernel is in futex, nanosleep and epoll_pwait.
- rouse gives way to other processes when the load or the backend want its processor.
- rouse's own code is all other Go code, its libraries included.
- Calls are those of the whole run, with the opening of the connections. What differs in name only is one row. What has less
  than 1 % of rouse's CPU, and of no candidate's calls 5 %, is in "other system calls".

`

// families are system calls that do the same under several names. A name has no space.
var families = map[string]string{
	"read": "read/recvfrom", "recvfrom": "read/recvfrom", "readv": "read/recvfrom", "recvmsg": "read/recvfrom",
	"write": "sendto/writev", "sendto": "sendto/writev", "writev": "sendto/writev", "sendmsg": "sendto/writev",
	"epoll_wait": "epoll_pwait/epoll_wait", "epoll_pwait": "epoll_pwait/epoll_wait",
	"clock_nanosleep": "nanosleep", "ppoll": "poll",
}

const otherCalls = "other system calls"

func (r *Run) writeProfiles(b *strings.Builder) {
	if len(r.Profiles) == 0 && r.NoProfile == "" {
		return
	}
	b.WriteString("## Where the time goes\n\n")
	if why := r.noProfile(); why != "" {
		fmt.Fprintf(b, "Not measured: %s.\n\n", oneLine(why))
		return
	}
	b.WriteString(profileNote)
	for _, p := range Profiles {
		if views := r.views(p.Key); len(views) > 0 {
			writeProfile(b, p, views)
		}
	}
}

// noProfile says why there is nothing to show, or is empty.
func (r *Run) noProfile() string {
	why := r.NoProfile
	for _, p := range r.Profiles {
		if len(p.Samples) > 0 || len(p.Calls) > 0 {
			return ""
		}
		why = cmp.Or(why, p.Note)
	}
	return why
}

// view is a profile made ready for its table.
type view struct {
	name, note string
	shares     map[string]float64 // percent of the samples; nil if there are none
	calls      map[string]float64 // for one unit of work; nil if they were not counted
	samples    int
}

// views are the profiles of a scenario, rouse's first.
func (r *Run) views(scenario string) []view {
	var all []view
	for _, p := range r.Profiles {
		if p.Scenario == scenario {
			all = append(all, p.view())
		}
	}
	slices.SortStableFunc(all, func(a, b view) int { return cmp.Compare(rank(a.name), rank(b.name)) })
	return all
}

func rank(name string) int {
	if name == subject {
		return 0
	}
	return 1
}

func (p Profile) view() view {
	v := view{name: p.Candidate, note: p.Note}
	for _, n := range p.Samples {
		v.samples += n
	}
	if v.samples > 0 {
		v.shares = map[string]float64{}
		for owner, n := range p.Samples {
			v.shares[family(owner)] += 100 * float64(n) / float64(v.samples)
		}
	}
	if p.Work > 0 && len(p.Calls) > 0 {
		v.calls = map[string]float64{}
		for call, n := range p.Calls {
			v.calls[family(call)] += n / p.Work
		}
	}
	return v
}

func family(call string) string {
	if name, ok := families[call]; ok {
		return name
	}
	return call
}

func writeProfile(b *strings.Builder, p Profiled, views []view) {
	fmt.Fprintf(b, "### %s\n\n", p.Title)
	writeSummary(b, p, views)
	head := []string{"", "rouse's CPU", fmt.Sprintf("calls/%s: %s", p.Unit, views[0].name)}
	for _, v := range views[1:] {
		head = append(head, v.name)
	}
	calls := rows(views)
	var table [][]string
	for _, call := range calls {
		table = append(table, row(call, call, views))
	}
	gather(views, calls)
	table = append(table, row(otherCalls, otherCalls, views))
	for _, owner := range []string{perf.Edge, perf.Switch, perf.Interrupts, perf.Runtime, perf.Own, perf.Nameless} {
		if views[0].shares[owner] > 0 {
			table = append(table, row(owner, owner, views[:1])[:2])
		}
	}
	writeTable(b, head, padded(append(table, row("all", perf.All, views)), len(head)))
}

// writeSummary says in two lines what the table shows.
func writeSummary(b *strings.Builder, p Profiled, views []view) {
	if first := views[0]; first.shares != nil {
		own, runtime, nameless := first.shares[perf.Own], first.shares[perf.Runtime], first.shares[perf.Nameless]
		fmt.Fprintf(b, "Of rouse's CPU time the kernel takes %.0f %%, rouse's own code %.0f %% and the Go runtime %.0f %% (%d samples).\n",
			100-own-runtime-nameless, own, runtime, first.samples)
	}
	var counts []string
	for _, v := range views {
		if v.calls != nil {
			counts = append(counts, v.name+" "+v.number(perf.All))
		}
	}
	if len(counts) > 0 {
		fmt.Fprintf(b, "System calls for each %s: %s.\n", p.Unit, strings.Join(counts, ", "))
	}
	for _, v := range views {
		if v.note != "" {
			fmt.Fprintf(b, "Not all of %s could be measured: %s.\n", v.name, oneLine(v.note))
		}
	}
	b.WriteString("\n")
}

// oneLine shortens what a program has said.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if most := 200; len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return strings.TrimRight(text, ".")
}

// rows are the system calls that get a row of their own, those first that cost rouse most.
func rows(views []view) []string {
	names := map[string]bool{}
	for _, v := range views {
		for call, share := range v.shares {
			names[call] = names[call] || perf.IsCall(call) && share >= 1
		}
		for call, n := range v.calls {
			names[call] = names[call] || call != perf.All && n >= v.calls[perf.All]/20
		}
	}
	maps.DeleteFunc(names, func(_ string, big bool) bool { return !big })
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(views[0].shares[b], views[0].shares[a]), cmp.Compare(views[0].calls[b], views[0].calls[a]), cmp.Compare(a, b))
	})
}

// gather puts what has no row of its own together, and the sums.
func gather(views []view, calls []string) {
	for _, v := range views {
		if v.calls != nil {
			rest := v.calls[perf.All]
			for _, call := range calls {
				rest -= v.calls[call]
			}
			v.calls[otherCalls] = max(0, math.Round(rest*1e6)/1e6) // what is less comes from adding up
		}
		if v.shares == nil {
			continue
		}
		for owner, share := range v.shares {
			if perf.IsCall(owner) && !slices.Contains(calls, owner) {
				v.shares[otherCalls] += share
			}
		}
		v.shares[perf.All] = 100
	}
}

// row is one row of a table. What was not counted leaves its cell open.
func row(title, key string, views []view) []string {
	cells := []string{title, "–"}
	if shares := views[0].shares; shares != nil {
		cells[1] = fmt.Sprintf("%.1f %%", shares[key])
	}
	for _, v := range views {
		cells = append(cells, v.number(key))
	}
	return cells
}

// number is how often a system call was made. One that has taken time has been made, whether
// or not it is among those that are counted by name.
func (v view) number(call string) string {
	n, counted := v.calls[call]
	switch {
	case v.calls == nil, !counted && v.shares[call] > 0:
		return "–"
	case n > 0 && n < 0.01:
		return "<0.01"
	case n > 0 && n < 100:
		return fmt.Sprintf("%.2f", n)
	}
	return stats.Format(n)
}

// padded gives every row the same length; what is no system call has no number of calls.
func padded(rows [][]string, length int) [][]string {
	for i, row := range rows {
		rows[i] = append(row, slices.Repeat([]string{""}, length-len(row))...)
	}
	return rows
}
