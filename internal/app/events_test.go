package app

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/rouse-proxy/rouse/internal/event"
)

// TestWhatIsInTheLogAlreadyIsNotLoggedTwice: whoever could not save a record says more than the event.
func TestWhatIsInTheLogAlreadyIsNotLoggedTwice(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	sink := logSink(logger, newHush(logger))
	sink(event.Event{Kind: event.StateNotSaved, Target: "web", Err: errors.New("full")})
	if out.Len() > 0 {
		t.Errorf("logged %s", out.String())
	}
	sink(event.Event{Kind: event.StateSaved, Target: "web"})
	if out.Len() == 0 {
		t.Error("nothing tells that it has healed")
	}
}
