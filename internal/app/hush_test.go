package app

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// TestStrangersAreToldOfByNumber: the first of a crowd, and then how many there were, whoever comes next or when the log ends.
func TestStrangersAreToldOfByNumber(t *testing.T) {
	for _, next := range []string{"another client", "the end"} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&out, nil))
			h := newHush(logger)
			sink := logSink(logger, h)
			refused := event.Event{Kind: event.ClientRefused, Target: "web", Err: fmt.Errorf("asleep, and %w", &gate.Refusal{Gate: gate.WakeFrom, Text: "no"})}
			for range 1000 {
				sink(refused)
			}
			sink(event.Event{Kind: event.ClientRefused, Target: "web", Err: errors.New("the start has failed")}) // no stranger
			if n := strings.Count(out.String(), "client refused"); n != hushSome+1 {
				t.Errorf("%d lines of 1000 strangers and one who waited", n)
			}
			time.Sleep(hushTime)
			if next == "the end" {
				h.flush()
			} else {
				sink(event.Event{Kind: event.ClientServed, Target: "web", Elapsed: time.Second})
			}
			if !strings.Contains(out.String(), "more clients like these") || !strings.Contains(out.String(), fmt.Sprint("clients=", 1000-hushSome)) {
				t.Errorf("%s does not bring the number:\n%s", next, out.String())
			}
		})
	}
}
