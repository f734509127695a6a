package trace

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A script is a trace as people write it: a line is a time, a kind, and values. The target
// is "web", and the run is the one that began last, unless the line says otherwise.
func lines(t testing.TB, script string) []Line {
	t.Helper()
	var all []Line
	run := 0
	for text := range strings.Lines(script) {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		at, err := time.ParseDuration(words[0])
		if err != nil {
			t.Fatal(err)
		}
		l := Line{T: int64(time.Hour + at), At: time.Unix(0, int64(at)).UTC(), Target: "web", Run: run, File: "script", Number: len(all) + 1}
		for _, word := range words[1:] {
			if key, value, ok := strings.Cut(word, "="); ok {
				set(t, &l, key, value)
			} else {
				l.Kind = event.Kind(strings.TrimSpace(string(l.Kind) + " " + word))
			}
		}
		switch l.Kind {
		case event.RouseBegan:
			if l.Run == run {
				l.Run++
			}
			run, l.Target, l.Format = l.Run, "", Format
			l.Settings = map[string]Settings{"web": {Cooldown: time.Minute, StartTimeout: 2 * time.Minute, StopTimeout: 3 * time.Minute}}
		case kindReloaded: // with a cooldown of so long
			l.Target, l.Settings = "", map[string]Settings{"web": {Cooldown: l.Delay, StartTimeout: 2 * time.Minute, StopTimeout: 3 * time.Minute}}
		case event.RouseEnded, kindLost, kindPaused:
			l.Target = ""
		}
		all = append(all, l)
	}
	return all
}

// set fills in one value of a line.
func set(t testing.TB, l *Line, key, value string) {
	t.Helper()
	texts := map[string]*string{
		"target": &l.Target, "cause": &l.Cause, "client": &l.Client, "from": &l.From, "to": &l.To, "operation": &l.Operation,
		"error": &l.Error, "boot": &l.Boot, "file": &l.File,
	}
	numbers := map[string]*int{"run": &l.Run, "pid": &l.PID, "held": &l.Held, "waiting": &l.Waiting}
	times := map[string]*time.Duration{"elapsed": &l.Elapsed, "delay": &l.Delay}
	var err error
	switch {
	case texts[key] != nil:
		*texts[key] = strings.ReplaceAll(value, "_", " ")
	case numbers[key] != nil:
		*numbers[key], err = strconv.Atoi(value)
	case times[key] != nil:
		*times[key], err = time.ParseDuration(value)
	case key == "visits":
		l.Visits, err = strconv.ParseBool(value)
	case key == "resumed":
		l.Resumed, err = strconv.ParseBool(value)
	case key == "epoch":
		l.Epoch, err = strconv.ParseUint(value, 10, 64)
	case key == "sent":
		l.Sent, err = strconv.ParseInt(value, 10, 64)
	case key == "lost":
		l.Lost, err = strconv.ParseInt(value, 10, 64)
	default:
		t.Fatalf("no line has a %q", key)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func check(t testing.TB, script string, o CheckOptions) *Report {
	t.Helper()
	return Check(slices.Values(lines(t, script)), o)
}

// The parts of an ordinary day.
const (
	asleep = `
		0s rouse began
		0s operation begun operation=check
		0s operation ended operation=check
		0s state changed from=unknown to=stopped`
	waking = asleep + `
		1s client waits client=c1
		1s state changed from=stopped to=starting epoch=1 waiting=1
		1s operation begun operation=start epoch=1 waiting=1
		1s hook begun operation=start epoch=1 pid=50
		2s hook ended operation=start epoch=1 pid=50`
	awake = waking + `
		10s operation ended operation=start epoch=1
		10s state changed from=starting to=ready epoch=1 held=1
		10s client connected client=c1 epoch=1 elapsed=9s`
	idle = awake + `
		20s client ended client=c1 elapsed=10s sent=5
		20s cooldown begins epoch=1 delay=60s`
	stopping = idle + `
		80s state changed from=ready to=stopping epoch=1
		80s operation begun operation=stop epoch=1
		80s hook begun operation=stop epoch=1 pid=51
		81s hook ended operation=stop epoch=1 pid=51`
	stopped = stopping + `
		82s operation ended operation=stop epoch=1
		82s state changed from=stopping to=stopped epoch=1`
	hookLeft = idle + `
		80s state changed from=ready to=stopping epoch=1
		80s operation begun operation=stop epoch=1
		80s hook begun operation=stop epoch=1 pid=51
		81s rouse began run=7
		81s operation begun operation=check epoch=1
		81s operation ended operation=check epoch=1
		81s state changed from=unknown to=ready epoch=1`
	foundDown = idle + `
		30s state changed from=ready to=unknown epoch=1
		30s operation begun operation=check epoch=1
		30s operation ended operation=check epoch=1
		30s state changed from=unknown to=stopped epoch=1`
)
