package trace

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

var errBroken = errors.New("broken")

// read returns the lines of a trace.
func read(t *testing.T, b []byte) []Line {
	t.Helper()
	var all []Line
	for l, err := range Read("trace", bytes.NewReader(b)) {
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		all = append(all, l)
	}
	return all
}

func kinds(all []Line) string {
	var names []string
	for _, l := range all {
		names = append(names, string(l.Kind))
	}
	return strings.Join(names, ", ")
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	settings := map[string]Settings{"web": {Cooldown: time.Minute, StartTimeout: 2, StopTimeout: 3}}
	for range 2 { // the second run appends
		w, err := Open(path, Options{Version: "v1", Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		go w.Run()
		for !w.started.Load() {
			runtime.Gosched()
		}
		w.Sink(event.Event{
			Time: time.Unix(7, 8), Kind: event.ClientRefused, Target: "web", Epoch: 3, Cause: "c", Client: "192.0.2.7:1", Held: 1, Waiting: 2,
			Elapsed: 5, Delay: 6, Sent: 7, Received: 8, Err: errBroken,
		})
		w.Sink(event.Event{Kind: event.StateChanged, From: "stopped", To: "unknown", Operation: "check", PID: 9})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("\n\n")) {
		t.Errorf("an empty line between two runs:\n%s", b)
	}
	all := read(t, b)
	if got, want := kinds(all[:4]), "rouse began, client refused, state changed, rouse ended"; got != want || kinds(all[4:]) != want {
		t.Fatalf("wrote %s", kinds(all))
	}
	if b := all[0]; b.Version != "v1" || b.Settings["web"] != settings["web"] || b.Run != os.Getpid() || b.T == 0 || b.Boot == "" {
		t.Errorf("it begins with %+v", b)
	}
	l := all[1]
	want := Line{
		T: l.T, At: time.Unix(7, 8), Kind: event.ClientRefused, Run: os.Getpid(), Target: "web", Epoch: 3, Cause: "c", Client: "192.0.2.7:1",
		Held: 1, Waiting: 2, Elapsed: 5, Delay: 6, Sent: 7, Received: 8, Error: "broken", File: "trace", Number: 2,
	}
	if !l.At.Equal(want.At) || l.T < all[0].T {
		t.Errorf("the time is %v, %d", l.At, l.T)
	}
	l.At = want.At
	if l.File = "trace"; !equal(l, want) {
		t.Errorf("read  %+v\nwrote %+v", l, want)
	}
}

func equal(a, b Line) bool {
	a.Settings, b.Settings = nil, nil
	return a.At == b.At && a.T == b.T && a.Kind == b.Kind && a.Run == b.Run && a.Target == b.Target && a.Epoch == b.Epoch &&
		a.Cause == b.Cause && a.Client == b.Client && a.Held == b.Held && a.Waiting == b.Waiting && a.Elapsed == b.Elapsed &&
		a.Delay == b.Delay && a.Sent == b.Sent && a.Received == b.Received && a.Error == b.Error && a.Number == b.Number
}

func TestATraceIsItsOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no mode here, and links need rights of their own")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "trace")
	w, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // it never ran
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || info.Size() != 0 {
		t.Errorf("mode %v, %d bytes, %v", info.Mode(), info.Size(), err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		link: "it is a link", dir: "is a directory", os.DevNull: "is not a regular file", filepath.Join(dir, "no", "trace"): "no such file",
	} {
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("opening %s: %v, want %q", path, err, want)
		}
	}
}

// TestARunGoesOnBehindOneThatWasCutOff, whose line is no reason to read nothing.
func TestARunGoesOnBehindOneThatWasCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	for range 3 {
		w, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		go w.Run()
		for !w.started.Load() {
			runtime.Gosched()
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, info.Size()-3)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(read(t, b)); got != "rouse began, rouse began, rouse began" {
		t.Errorf("read %s", got)
	}
}

func TestAPauseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		var mu sync.Mutex
		slept := int64(0)
		w := newWriter(&d, Options{}, false)
		began := time.Now()
		w.now = func() int64 {
			mu.Lock()
			defer mu.Unlock()
			return int64(time.Since(began)) + slept
		}
		go w.Run()
		time.Sleep(10*pulse + pulse/2)
		mu.Lock()
		slept = int64(time.Minute)
		mu.Unlock()
		time.Sleep(10 * pulse)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		all := read(t, d.Bytes())
		if kinds(all) != "rouse began, rouse paused, rouse ended" || all[1].Elapsed != time.Minute+pulse {
			t.Errorf("wrote %s, paused for %v", kinds(all), all[1].Elapsed)
		}
	})
}

func TestLongTextsAreCut(t *testing.T) {
	l := lineOf(1, 1, &event.Event{Kind: event.OperationEnded, Err: errors.New(strings.Repeat("é", longestText)), Cause: strings.Repeat("x", 1<<20)})
	if len(l.Error) > longestText+3 || len(l.Cause) > longestText+3 || !strings.HasSuffix(l.Error, "é…") {
		t.Errorf("%d and %d bytes", len(l.Error), len(l.Cause))
	}
}

func TestMemoryKeepsSeveralRuns(t *testing.T) {
	var m Memory
	for range 2 {
		m.Begin(nil)
		m.Sink(event.Event{Time: time.Now(), Kind: event.OperationBegun, Target: "web", Operation: "check"})
		m.End()
	}
	if r := m.Check(CheckOptions{}); !r.OK() || r.Runs != 2 || r.Lines != 6 {
		t.Errorf("%s", r)
	}
}

func BenchmarkSink(b *testing.B) {
	w := newWriter(&nowhere{}, Options{}, false)
	go w.Run()
	b.ReportAllocs()
	e := event.Event{Time: time.Now(), Kind: event.ClientEnded, Target: "web", Client: "192.0.2.7:40312", Cause: "closed", Elapsed: time.Second, Sent: 1000, Received: 100000}
	for b.Loop() {
		w.Sink(e)
	}
	if err := w.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		b.Error(err)
	}
}

// BenchmarkWrite is what the writer's goroutine does for one event.
func BenchmarkWrite(b *testing.B) {
	w := newWriter(&nowhere{}, Options{}, false)
	b.ReportAllocs()
	it := item{t: 1, event: event.Event{Time: time.Now(), Kind: event.ClientEnded, Target: "web", Client: "192.0.2.7:40312", Cause: "closed", Elapsed: time.Second, Sent: 1000, Received: 100000}}
	for b.Loop() {
		w.take(it)
	}
}

func BenchmarkCheck(b *testing.B) {
	all := lines(b, stopped)
	b.ReportAllocs()
	for b.Loop() {
		Check(slices.Values(all), CheckOptions{})
	}
	b.ReportMetric(float64(b.N*len(all))/b.Elapsed().Seconds(), "lines/s")
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }
