package report

import "github.com/rouse-proxy/rouse/bench/internal/stats"

// Figure is one picture of several bar charts.
type Figure struct {
	Name, Title, Desc string
	Panels            []Panel
}

// Panel is one bar chart.
type Panel struct {
	Title string
	Lower bool // less is better
	Bars  []Bar
}

// Bar is one candidate's figure.
type Bar struct {
	Name string
	stats.Summary
}

// panelOf says which figure of which scenario a panel shows.
type panelOf struct {
	scenario, key, title string
	lower                bool
}

// Figures are the plots of the page. A panel without figures is left out, and so is a
// figure without panels.
func (r *Run) Figures() []Figure {
	var all []Figure
	for _, f := range []struct {
		name, title, desc string
		panels            []panelOf
	}{
		{"bench-cpu", "CPU for each gigabyte", "CPU seconds that each proxy uses for a gigabyte, as bars; less is better.", []panelOf{
			{"up1", "cpu", "1 stream up, s/GB", true}, {"down1", "cpu", "1 stream down, s/GB", true},
			{"up8", "cpu", "8 streams up, s/GB", true}, {"down8", "cpu", "8 streams down, s/GB", true}}},
		{"bench-bulk", "Throughput", "Gigabytes a second through each proxy, as bars; more is better.", []panelOf{
			{"up1", "gbps", "1 stream up, GB/s", false}, {"down1", "gbps", "1 stream down, GB/s", false},
			{"up8", "gbps", "8 streams up, GB/s", false}, {"down8", "gbps", "8 streams down, GB/s", false}}},
		{"bench-latency", "Round trips", "Latencies, round trips a second and their CPU for each proxy, as bars.", []panelOf{
			{"pinned", "p50", "1 connection on one core, p50 µs", true}, {"trips", "rate", "64 connections, round trips/s", false},
			{"trips", "cpu", "64 connections, CPU µs/trip", true}, {"mixed", "p99", "beside 8 bulk streams, p99 µs", true}}},
		{"bench-connections", "Connections", "Short connections a second with their CPU, and memory of idle ones, for each proxy, as bars.", []panelOf{
			{"conns", "rate", "short connections/s", false}, {"conns", "cpu", "CPU µs/short connection", true},
			{"idle", "rss", "memory of an idle connection, B", true}, {"idle", "slab", "kernel memory of the same, B", true}}},
		{"bench-wake", "Waking with clients that wait", "Times and CPU of a wake with many waiting clients, as bars; less is better.", []panelOf{
			{"wake", "last", "last client answered, ms", true}, {"wake128", "last", "the same, backlog 128, ms", true},
			{"wake", "cpu", "CPU of the whole wake, s", true}, {"wake", "rss", "memory of a waiting client, B", true}}},
	} {
		figure := Figure{Name: f.name, Title: f.title, Desc: f.desc}
		for _, p := range f.panels {
			if panel := r.panel(p); len(panel.Bars) > 0 {
				figure.Panels = append(figure.Panels, panel)
			}
		}
		if len(figure.Panels) > 0 {
			all = append(all, figure)
		}
	}
	return all
}

func (r *Run) panel(p panelOf) Panel {
	panel := Panel{Title: p.title, Lower: p.lower}
	for _, name := range r.candidates(p.scenario) {
		if sum := r.Of(p.scenario, name, p.key); sum.N > 0 {
			panel.Bars = append(panel.Bars, Bar{name, sum})
		}
	}
	return panel
}
