package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// Write writes the page. images is the folder of the plots as seen from the page.
func (r *Run) Write(w io.Writer, images string) error {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	b.WriteString("rouse beside other ways to forward TCP, all on one machine, on loopback, in one run.\n")
	b.WriteString("`make bench` writes this page anew.\n\n")
	r.writeGround(&b)
	r.writeTrust(&b)
	r.writeGoals(&b)
	for _, f := range r.Figures() {
		fmt.Fprintf(&b, "![%s](%s/%s.svg)\n\n", f.Desc, images, f.Name)
	}
	r.writeProfiles(&b)
	b.WriteString("# All tables\n\nMedian [least–most] of the repeats; × is the multiple of the direct way.\n\n")
	for _, s := range Scenarios {
		r.writeScenario(&b, s)
	}
	r.writeReadings(&b)
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

func (r *Run) writeGround(b *strings.Builder) {
	m := r.Machine
	rows := [][]string{
		{"date", r.Date}, {"command", "`" + r.Command + "`, " + r.Took},
		{"machine", fmt.Sprintf("%s, %d cores, %s MB, Linux %s, descriptor limit %s", m.CPU, m.Cores, stats.Format(float64(m.MemoryMB)), m.Kernel, stats.Format(float64(m.DescriptorLimit)))},
		{"toolchain", m.Go},
		{"quiet?", fmt.Sprintf("processors busy just before the run %.1f %%; taken by the hypervisor during it %.1f %%", m.BusyBefore, m.StolenPercent)},
		{"repeats", fmt.Sprintf("%d, of idle connections %d; every repeat visits every candidate, in rotated order", r.Setup.Repeats, r.Setup.IdleRepeats)},
		{"measured for", r.Setup.Window + " at each visit, after a warm-up; beside bulk, twice that"},
		{"waking", fmt.Sprintf("%d clients; the backend opens %s after the last of them", r.Setup.WakeClients, r.Setup.WakeDelay)},
		{"crowd", crowd(r.Setup.Crowd)},
		{"idle", idle(r.Setup)},
	}
	writeTable(b, []string{"", ""}, rows)
	rows = nil
	for _, s := range r.Subjects {
		rows = append(rows, []string{s.Name, s.About, s.Version})
	}
	for _, s := range r.LeftOut {
		rows = append(rows, []string{s.Name, "left out: " + s.About, ""})
	}
	writeTable(b, []string{"candidate", "what", "version"}, rows)
}

func idle(s Setup) string {
	conns := stats.Format(float64(s.IdleConns))
	if s.IdleMost > 0 {
		conns += ", then " + stats.Format(float64(s.IdleMost))
	}
	return conns + " connections; memory again " + s.IdleAfter + " after closing them"
}

func crowd(clients int) string {
	if clients == 0 {
		return "not run: it needs a full run, two descriptors for each client (`-client-fds 2`) and a descriptor limit that allows more clients than above"
	}
	return fmt.Sprintf("%d clients wait in runs of their own", clients)
}

func (r *Run) writeTrust(b *strings.Builder) {
	b.WriteString("## How far to trust it\n\n")
	if r.Setup.Quick {
		b.WriteString("**This was a quick run: it shows that everything works, and its figures mean nothing.**\n\n")
	}
	if r.Machine.BusyBefore > 5 || r.Machine.StolenPercent > 2 {
		b.WriteString("**The machine was not quiet: other work ran beside these measurements.**\n\n")
	}
	b.WriteString(`- Trust memory and descriptors first, then CPU for each GB, trip or connection, then ratios, then rates, and p99 last. A
  difference below 15 % is not a result.
- Load generator, proxy and backend share the machine's cores. A rate therefore counts the CPU of all three, and no proxy
  gets near the direct way. A proxy's own CPU is the cleaner figure.
- Proxy CPU is that of its whole process tree. On loopback the sender does much of the receiver's work in the kernel, so the
  border between the processes blurs; the whole machine's CPU has no such border.
- Loopback has no loss, no delay and packets of 64 KiB. A real network gives other rates, and smaller differences.
- A repeat with errors does not count in the medians; its errors are in the table.

`)
}

func (r *Run) writeGoals(b *strings.Builder) {
	b.WriteString("## Goals\n\nRatios are of medians in this run. Of several anchors the better one counts. ~ grants 15 %.\n\n")
	var rows [][]string
	for _, v := range r.Judge() {
		state := v.State
		if state == "not met" {
			state = "**not met**"
		}
		got := stats.Format(v.Got)
		switch {
		case v.State == "not measured":
		case v.Anchor != "":
			got += " × " + v.Anchor
		case v.Unit != "":
			got += " " + v.Unit
		}
		rows = append(rows, []string{v.Axis, v.Goal, got, state})
	}
	writeTable(b, []string{"axis", "goal", "rouse", ""}, rows)
}

func (r *Run) writeScenario(b *strings.Builder, s Scenario) {
	names := r.candidates(s.Key)
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", s.Title)
	if s.Note != "" {
		b.WriteString(s.Note + "\n\n")
	}
	head := []string{"candidate", "n"}
	for _, c := range s.Columns {
		head = append(head, c.Title)
	}
	var rows [][]string
	for _, name := range names {
		errors, n, note := r.Errors(s.Key, name)
		row := []string{name, fmt.Sprint(n)}
		for _, c := range s.Columns {
			row = append(row, r.cell(s.Key, name, c))
		}
		rows = append(rows, append(row, errorCell(errors, note)))
	}
	writeTable(b, append(head, "errors"), rows)
}

// counts are the columns of whole numbers.
var counts = []string{"checks", "echoed", "accepts", "held"}

func (r *Run) cell(scenario, name string, c Column) string {
	sum := r.Of(scenario, name, c.Key)
	text := sum.String()
	if sum.N > 0 && slices.Contains(counts, c.Key) {
		text = fmt.Sprintf("%.0f", sum.Median)
	}
	base := r.Of(scenario, direct, c.Key)
	if c.Direct && sum.N > 0 && base.N > 0 {
		text += fmt.Sprintf(" ×%.2f", stats.Ratio(sum.Median, base.Median))
	}
	return text
}

func errorCell(errors int, note string) string {
	if errors == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", errors, note)
}

func (r *Run) writeReadings(b *strings.Builder) {
	if len(r.Readings) == 0 {
		return
	}
	b.WriteString("## From the target's listen() to the waiting client's first byte\n\n")
	b.WriteString("Whole wakes of the daemon, one after another (`BenchmarkFirstByte` in `internal/app`).\n\n")
	var rows [][]string
	for _, reading := range r.Readings {
		row := []string{reading.Name}
		for _, unit := range []string{"ms-median", "ms-p90", "ms-max"} {
			cell := "–"
			if v, ok := reading.Values[unit]; ok {
				cell = stats.Format(v)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	writeTable(b, []string{"", "median ms", "p90 ms", "worst ms"}, rows)
}

// writeTable writes a table in Markdown. What would end a cell or a line is replaced.
func writeTable(b *strings.Builder, head []string, rows [][]string) {
	clean := strings.NewReplacer("|", "/", "\n", " ")
	line := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| " + clean.Replace(cell) + " ")
		}
		b.WriteString("|\n")
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	b.WriteString("\n")
}
