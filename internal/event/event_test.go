package event

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSinksAreToldInOrder(t *testing.T) {
	var got []string
	log := NewLog(
		func(e Event) { got = append(got, "first "+string(e.Kind)) },
		func(e Event) { got = append(got, "second "+string(e.Kind)) },
	)
	log.Emit(Event{Kind: ClientWaits})
	if strings.Join(got, ", ") != "first client waits, second client waits" {
		t.Errorf("told: %v", got)
	}
	var none *Log
	none.Emit(Event{}) // nobody to tell
}

func TestEventsGetTheirTime(t *testing.T) {
	var got Event
	NewLog(func(e Event) { got = e }).Emit(Event{Kind: IdleArmed})
	if got.Time.IsZero() {
		t.Error("an event without a time")
	}
	then := time.Unix(1, 0)
	NewLog(func(e Event) { got = e }).Emit(Event{Time: then})
	if !got.Time.Equal(then) {
		t.Errorf("the time became %v", got.Time)
	}
}

func TestTroubleIsLouderThanTheDailyRound(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		e    Event
		want slog.Level
	}{
		{Event{Kind: OperationEnded, Operation: "stop", Err: broken}, slog.LevelError},
		{Event{Kind: OperationEnded, Operation: "start", Err: broken}, slog.LevelError},
		{Event{Kind: OperationEnded, Operation: "check", Err: broken}, slog.LevelWarn},
		{Event{Kind: OperationEnded, Operation: "stop"}, slog.LevelDebug},
		{Event{Kind: StateNotSaved, Err: broken}, slog.LevelError},
		{Event{Kind: StateSaved}, slog.LevelInfo},
		{Event{Kind: ClientRefused, Err: broken}, slog.LevelWarn},
		{Event{Kind: StateChanged, From: "starting", To: "ready"}, slog.LevelInfo},
		{Event{Kind: StateChanged, From: "stopped", To: "unknown"}, slog.LevelDebug},
		{Event{Kind: ClientServed, Elapsed: time.Minute}, slog.LevelInfo},
		{Event{Kind: ClientServed, Elapsed: time.Millisecond}, slog.LevelDebug},
	} {
		if got := c.e.Level(); got != c.want {
			t.Errorf("%+v: level %v, want %v", c.e, got, c.want)
		}
	}
}

func TestAttrsSayWhatApplies(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	e := Event{Kind: ClientEnded, Target: "web", Client: "192.0.2.7:1", Elapsed: 1500 * time.Millisecond, Received: 7, Cause: "closed"}
	logger.LogAttrs(t.Context(), slog.LevelInfo, string(e.Kind), e.Attrs()...)
	want := `msg="client ended" target=web client=192.0.2.7:1 cause=closed elapsed=1.5s sent=0 received=7`
	if got := strings.TrimSpace(out.String()); !strings.HasSuffix(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestALogTellsEverySinkOfEverything(t *testing.T) {
	told := 0
	sink := func(Event) { told++ }
	NewLog(sink, sink).Emit(Event{Kind: CheckerAnswered})
	NewLog().Emit(Event{Kind: ClientRefused})
	(*Log)(nil).Emit(Event{Kind: ClientRefused})
	if told != 2 {
		t.Errorf("told %d times, want each sink once, however quiet the event is", told)
	}
}
