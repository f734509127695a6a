// Package metrics counts what happens, for Prometheus. Labels are names of targets, states and reasons, all of them few: no address of a
// client is ever one.
package metrics

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// A Target is what is so now of one.
type Target struct {
	Name, State                string
	Clients, Waiting, Visitors int
	Sent, Received             int64
	StopAt, HoldUntil          time.Time
	Maintenance                bool
}

// States are those that a target may be in.
var States = []string{"unknown", "stopped", "starting", "ready", "stopping", "failed"}

// Metrics are all series of one rouse.
type Metrics struct {
	registry *prometheus.Registry
	now      func() []Target

	connections, left, observed                 *prometheus.CounterVec
	refused                                     *prometheus.CounterVec
	starts, stops                               *prometheus.CounterVec
	waits, lasted, startTimes, stopTimes        *prometheus.HistogramVec
	seconds                                     *prometheus.CounterVec
	state, clients, waiting, visitors           *prometheus.Desc
	bytes, stopAt, holdUntil, maintenance, info *prometheus.Desc
	version                                     string
}

// New returns metrics of a rouse of a version. now says what is so when somebody scrapes.
func New(version string, now func() []Target) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: now, version: version}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rouse_" + name, Help: help}, append([]string{"target"}, labels...))
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rouse_" + name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"target"})
		m.registry.MustRegister(h)
		return h
	}
	short := []float64{.001, .01, .1, .5, 1, 5, 10, 30, 60, 120, 300, 600}
	long := []float64{1, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600}
	m.connections = counter("connections_total", "Clients that were connected to the target.")
	m.refused = counter("clients_refused_total", "Clients that were not served, by reason.", "reason")
	m.left = counter("clients_left_total", "Clients that left while they waited.")
	m.observed = counter("gate_observed_total", "Clients that a gate which only observes would have refused.")
	m.starts = counter("starts_total", "Starts of the target, by result: ok or failed.", "result")
	m.stops = counter("stops_total", "Stops of the target, by result: ok or failed.", "result")
	m.seconds = counter("target_state_seconds_total", "Seconds that the target has spent in states that are over.", "state")
	m.waits = histogram("client_wait_seconds", "How long clients waited until they were connected.", short)
	m.lasted = histogram("connection_duration_seconds", "How long connections lasted.", []float64{.01, .1, 1, 10, 60, 300, 1800, 7200, 28800, 86400})
	m.startTimes = histogram("start_duration_seconds", "How long starts took until the target was ready.", long)
	m.stopTimes = histogram("stop_duration_seconds", "How long stops took until the target was down.", long)
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rouse_"+name, help, labels, nil)
	}
	m.state = desc("target_state", "1 for the state that the target is in.", "target", "state")
	m.clients = desc("target_clients", "Clients that are connected.", "target")
	m.waiting = desc("target_waiting", "Clients that wait for the target.", "target")
	m.visitors = desc("target_visitors", "Clients that are connected and do not keep the target awake.", "target")
	m.bytes = desc("carried_bytes_total", "Bytes that were carried, by direction: from_clients or to_clients.", "target", "direction")
	m.stopAt = desc("target_stop_timestamp_seconds", "When the target is stopped if nobody comes; only while the cooldown runs.", "target")
	m.holdUntil = desc("target_hold_until_timestamp_seconds", "Until when a person keeps the target awake; only while one does.", "target")
	m.maintenance = desc("target_maintenance", "1 while new clients are kept away.", "target")
	m.info = desc("build_info", "The version of rouse.", "version")
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Describe tells Prometheus nothing in advance: which series there are changes with the config.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect tells what is so now.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.info, 1, m.version)
	for _, t := range m.now() {
		for _, s := range States {
			gauge(m.state, one(t.State == s), t.Name, s)
		}
		gauge(m.clients, float64(t.Clients), t.Name)
		gauge(m.waiting, float64(t.Waiting), t.Name)
		gauge(m.visitors, float64(t.Visitors), t.Name)
		gauge(m.maintenance, one(t.Maintenance), t.Name)
		ch <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(t.Sent), t.Name, "from_clients")
		ch <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(t.Received), t.Name, "to_clients")
		if !t.StopAt.IsZero() {
			gauge(m.stopAt, unix(t.StopAt), t.Name)
		}
		if !t.HoldUntil.IsZero() {
			gauge(m.holdUntil, unix(t.HoldUntil), t.Name)
		}
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Sink counts an event.
func (m *Metrics) Sink(e event.Event) {
	switch e.Kind {
	case event.ClientServed:
		m.connections.WithLabelValues(e.Target).Inc()
		m.waits.WithLabelValues(e.Target).Observe(e.Elapsed.Seconds())
	case event.ClientEnded:
		m.lasted.WithLabelValues(e.Target).Observe(e.Elapsed.Seconds())
	case event.ClientRefused:
		m.refused.WithLabelValues(e.Target, reason(e.Err)).Inc()
	case event.ClientLeft:
		m.left.WithLabelValues(e.Target).Inc()
	case event.GateObserved:
		m.observed.WithLabelValues(e.Target).Inc()
	case event.StateChanged:
		m.seconds.WithLabelValues(e.Target, e.From).Add(max(e.Elapsed.Seconds(), 0))
	case event.OperationEnded:
		m.operation(e)
	}
}

func (m *Metrics) operation(e event.Event) {
	result := "ok"
	if e.Err != nil {
		result = "failed"
	}
	switch e.Operation {
	case "start":
		m.starts.WithLabelValues(e.Target, result).Inc()
		if e.Err == nil {
			m.startTimes.WithLabelValues(e.Target).Observe(e.Elapsed.Seconds())
		}
	case "stop":
		m.stops.WithLabelValues(e.Target, result).Inc()
		if e.Err == nil {
			m.stopTimes.WithLabelValues(e.Target).Observe(e.Elapsed.Seconds())
		}
	}
}

// reason is one of a few words.
func reason(err error) string {
	if r, ok := errors.AsType[*gate.Refusal](err); ok {
		return r.Gate
	}
	return "target"
}

// Handler answers scrapers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
