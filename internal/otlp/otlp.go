// Package otlp tells a collector of OpenTelemetry how long the phases of connections, starts and stops took. It speaks OTLP over HTTP in JSON
// (OpenTelemetry Protocol Specification 1.5), of which it needs one request; the library for it was measured to add 4.2 MB to the
// program. Nothing waits for it.
package otlp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

const (
	mostQueued = 8192
	mostBatch  = 1024 // spans in one request
	beat       = 5 * time.Second
	sendTime   = 10 * time.Second
	lastTime   = 3 * time.Second
	attempts   = 3
	firstPause = time.Second
)

// Options say where to. Endpoint is needed.
type Options struct {
	Endpoint string  // such as http://127.0.0.1:4318; /v1/traces is put behind it
	Header   string  // NAME: VALUE, for the collector's authentication; a secret
	Share    float64 // of connections that are told of, from 0 to 1
	Version  string
	Host     string
	Logger   *slog.Logger
}

// An Exporter tells a collector.
type Exporter struct {
	opts        Options
	name, value string // of the header
	client      *http.Client
	wake        chan struct{}
	mu          sync.Mutex // guards the fields below
	queue       []span
	lost        int
	told        bool // of Run alone: that it does not take them
}

// span is one of OTLP's JSON.
type span struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	Parent     string      `json:"parentSpanId,omitempty"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"` // 1: internal, 2: server
	Start      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []attribute `json:"attributes,omitempty"`
	Status     *status     `json:"status,omitempty"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

// value is a string or a whole number, which OTLP writes as a string, too.
type value struct {
	String string `json:"stringValue,omitempty"`
	Int    string `json:"intValue,omitempty"`
}

type status struct {
	Code    int    `json:"code"` // 2: error
	Message string `json:"message,omitempty"`
}

// New returns an exporter. An error shows nothing of the header.
func New(o Options) (*Exporter, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("opentelemetry: the endpoint is not a URL: write one such as http://127.0.0.1:4318")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Exporter{opts: o, client: &http.Client{Timeout: sendTime}, wake: make(chan struct{}, 1)}
	if o.Header != "" {
		name, value, ok := strings.Cut(o.Header, ":")
		if e.name, e.value = strings.TrimSpace(name), strings.TrimSpace(value); !ok || e.name == "" || e.value == "" {
			return nil, errors.New("opentelemetry: the header is not NAME: VALUE")
		}
	}
	return e, nil
}

// Sink takes an event.
func (e *Exporter) Sink(ev event.Event) {
	var spans []span
	switch ev.Kind {
	case event.ClientEnded:
		if e.chosen() {
			spans = connection(ev)
		}
	case event.ClientRefused, event.ClientLeft:
		if e.chosen() {
			spans = refused(ev)
		}
	case event.OperationEnded:
		if ev.Operation != "check" {
			spans = []span{operation(ev)}
		}
	}
	if len(spans) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue)+len(spans) > mostQueued {
		e.lost += len(spans)
		return
	}
	e.queue = append(e.queue, spans...)
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// chosen says whether a connection is among those that are told of.
func (e *Exporter) chosen() bool { return e.opts.Share >= 1 || mathrand.Float64() < e.opts.Share }

// connection is one that was served: its wait and its relay are its phases.
func connection(ev event.Event) []span {
	served := ev.Time.Add(-ev.Elapsed)
	arrived := served.Add(-ev.Waited)
	root := newSpan("connection", arrived, ev.Time, ev)
	root.Kind = 2
	root.Attributes = append(root.Attributes, number("rouse.sent_bytes", ev.Sent), number("rouse.received_bytes", ev.Received), text("rouse.ended", ev.Cause))
	root.fail(ev.Err)
	return []span{root, root.child("wait", arrived, served), root.child("relay", served, ev.Time)}
}

// refused is one that was not served.
func refused(ev event.Event) []span {
	root := newSpan("connection", ev.Time.Add(-ev.Elapsed), ev.Time, ev)
	root.Kind = 2
	err := ev.Err
	if err == nil {
		err = errors.New(ev.Cause)
	}
	root.fail(err)
	return []span{root, root.child("wait", ev.Time.Add(-ev.Elapsed), ev.Time)}
}

func operation(ev event.Event) span {
	s := newSpan(ev.Operation, ev.Time.Add(-ev.Elapsed), ev.Time, ev)
	s.fail(ev.Err)
	return s
}

func newSpan(name string, start, end time.Time, ev event.Event) span {
	s := span{TraceID: id(16), SpanID: id(8), Name: name, Kind: 1, Start: nanoseconds(start), End: nanoseconds(end)}
	s.Attributes = []attribute{text("rouse.target", ev.Target)}
	for _, a := range []attribute{text("rouse.listener", ev.Route), text("client.address", ev.Client)} {
		if a.Value.String != "" {
			s.Attributes = append(s.Attributes, a)
		}
	}
	return s
}

func (s span) child(name string, start, end time.Time) span {
	return span{TraceID: s.TraceID, SpanID: id(8), Parent: s.SpanID, Name: name, Kind: 1, Start: nanoseconds(start), End: nanoseconds(end)}
}

func (s *span) fail(err error) {
	if err != nil {
		s.Status = &status{2, err.Error()}
	}
}

func id(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func text(key, v string) attribute { return attribute{key, value{String: v}} }

func number(key string, v int64) attribute {
	return attribute{key, value{Int: strconv.FormatInt(v, 10)}}
}

// Run sends until ctx ends, and then what is left.
func (e *Exporter) Run(ctx context.Context) {
	for {
		select {
		case <-e.wake:
		case <-ctx.Done():
			e.last()
			return
		}
		select {
		case <-time.After(beat):
		case <-ctx.Done():
			e.last()
			return
		}
		for e.batch(ctx) {
		}
	}
}

func (e *Exporter) last() {
	ctx, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	for e.batch(ctx) {
	}
}

// batch sends one, and says whether there is more.
func (e *Exporter) batch(ctx context.Context) bool {
	e.mu.Lock()
	n := min(len(e.queue), mostBatch)
	spans := e.queue[:n:n]
	e.queue = e.queue[n:]
	lost := e.lost
	e.lost = 0
	e.mu.Unlock()
	if n == 0 {
		return false
	}
	err := e.deliver(ctx, spans)
	switch {
	case err != nil && !e.told:
		e.told = true
		e.opts.Logger.Warn("the collector of traces does not take them; they are lost until it does", "spans", n, "err", err)
	case err == nil && (e.told || lost > 0):
		e.told = false
		e.opts.Logger.Warn("the collector takes traces again", "lost", lost)
	}
	return err == nil && n == mostBatch
}

func (e *Exporter) deliver(ctx context.Context, spans []span) error {
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource": map[string]any{"attributes": []attribute{text("service.name", "rouse"), text("service.version", e.opts.Version), text("host.name", e.opts.Host)}},
		"scopeSpans": []any{map[string]any{
			"scope": map[string]any{"name": "rouse"}, "spans": spans,
		}},
	}}})
	if err != nil {
		return err
	}
	pause := firstPause
	for i := range attempts {
		var again bool
		if again, err = e.send(ctx, body); err == nil || !again || i == attempts-1 {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// send makes one request, and says whether another one may do better.
func (e *Exporter) send(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(e.opts.Endpoint, "/")+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.name != "" {
		req.Header.Set(e.name, e.value)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	again = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 502 && resp.StatusCode <= 504 // as the protocol says
	return again, fmt.Errorf("it answers %d", resp.StatusCode)
}
