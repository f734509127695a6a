package otlp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// request is what is looked at of one.
type request struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes []attribute }
		ScopeSpans []struct{ Spans []span }
	}
}

// collector takes requests.
type collector struct {
	mu       sync.Mutex
	codes    []int
	requests []request
	headers  []http.Header
	bodies   []string
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	code := 200
	if len(c.codes) > 0 {
		code, c.codes = c.codes[0], c.codes[1:]
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil || r.URL.Path != "/v1/traces" {
		return nil, errors.New("no request of OTLP")
	}
	c.requests, c.headers, c.bodies = append(c.requests, req), append(c.headers, r.Header), append(c.bodies, string(body))
	w.WriteHeader(code)
	return w.Result(), nil
}

// spans are those that a request with success has brought.
func (c *collector) spans(i int) []span { return c.requests[i].ResourceSpans[0].ScopeSpans[0].Spans }

func export(t *testing.T, c *collector, o Options, do func(*Exporter)) string {
	t.Helper()
	log := &strings.Builder{}
	o.Endpoint, o.Logger = "http://collector.test:4318/", slog.New(slog.NewTextHandler(log, nil))
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.client.Transport = c
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); e.Run(ctx) }()
	do(e)
	cancel()
	<-done
	return log.String()
}

var served = event.Event{Time: noon, Kind: event.ClientEnded, Target: "web", Route: "0.0.0.0:443", Client: "192.0.2.7:4711", Waited: 30 * time.Second, Elapsed: time.Minute, Sent: 1, Received: 2, Cause: "closed"}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, n).UTC()
}

func TestAConnectionHasItsPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		export(t, c, Options{Share: 1, Header: "Authorization: Bearer hunter2", Version: "1.0", Host: "box"}, func(e *Exporter) {
			e.Sink(served)
			time.Sleep(time.Minute)
		})
		if len(c.requests) != 1 || c.headers[0].Get("Authorization") != "Bearer hunter2" || strings.Contains(c.bodies[0], "hunter2") {
			t.Fatalf("%d requests", len(c.requests))
		}
		all := c.spans(0)
		if len(all) != 3 {
			t.Fatalf("%+v", all)
		}
		root, wait, relay := all[0], all[1], all[2]
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(root.TraceID) || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(root.SpanID) {
			t.Errorf("IDs: %q %q", root.TraceID, root.SpanID)
		}
		if wait.Parent != root.SpanID || relay.TraceID != root.TraceID || root.Parent != "" || wait.Name != "wait" || relay.Name != "relay" {
			t.Errorf("%+v", all)
		}
		if !at(t, root.Start).Equal(noon.Add(-90*time.Second)) || !at(t, wait.End).Equal(noon.Add(-time.Minute)) || !at(t, relay.Start).Equal(noon.Add(-time.Minute)) || !at(t, root.End).Equal(noon) {
			t.Errorf("times: %+v", all)
		}
		for _, want := range []string{`{"key":"rouse.target","value":{"stringValue":"web"}}`, `{"key":"rouse.received_bytes","value":{"intValue":"2"}}`, `{"key":"service.name","value":{"stringValue":"rouse"}}`} {
			if !strings.Contains(c.bodies[0], want) {
				t.Errorf("no %s in %s", want, c.bodies[0])
			}
		}
	})
}

func TestFailuresAreErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		export(t, c, Options{Share: 1}, func(e *Exporter) {
			e.Sink(event.Event{Time: noon, Kind: event.ClientRefused, Target: "web", Elapsed: time.Second, Err: errors.New("gate budget: spent")})
			e.Sink(event.Event{Time: noon, Kind: event.OperationEnded, Operation: "start", Target: "web", Elapsed: time.Second, Err: errors.New("no image")})
			e.Sink(event.Event{Time: noon, Kind: event.OperationEnded, Operation: "check", Target: "web"})
			e.Sink(event.Event{Time: noon, Kind: event.ClientServed, Target: "web"})
			time.Sleep(time.Minute)
		})
		all := c.spans(0)
		if len(all) != 3 || all[0].Status.Code != 2 || all[0].Status.Message != "gate budget: spent" || all[2].Name != "start" || all[2].Status.Code != 2 {
			t.Errorf("%+v", all)
		}
	})
}

func TestACollectorThatFailsIsTriedAgainAndToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{codes: []int{503, 200, 400, 503, 503, 503, 200}}
		log := export(t, c, Options{Share: 1}, func(e *Exporter) {
			for range 4 {
				e.Sink(served)
				time.Sleep(time.Minute)
			}
		})
		if len(c.requests) != 7 {
			t.Errorf("%d requests", len(c.requests))
		}
		if strings.Count(log, "does not take them") != 1 || strings.Count(log, "takes traces again") != 1 {
			t.Errorf("log: %s", log)
		}
	})
}

func TestACrowdIsBoundedAndSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &collector{}
		log := export(t, c, Options{Share: 1}, func(e *Exporter) {
			for range mostQueued {
				e.Sink(served)
			}
			time.Sleep(time.Minute)
		})
		n := 0
		for i := range c.requests {
			n += len(c.spans(i))
		}
		if n > mostQueued || n < mostQueued-3 || !strings.Contains(log, "lost=") {
			t.Errorf("%d spans; log: %s", n, log)
		}
		c = &collector{}
		export(t, c, Options{Share: 0}, func(e *Exporter) { e.Sink(served) })
		if len(c.requests) != 0 {
			t.Error("nobody wanted that")
		}
	})
}

func TestAWrongEndpointIsToldOf(t *testing.T) {
	for _, o := range []Options{{Endpoint: "127.0.0.1:4318"}, {Endpoint: "grpc://x"}, {Endpoint: "http://x", Header: "hunter2"}} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
