package trace

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
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

// disk is a file that may be full or not answer.
type disk struct {
	mu sync.Mutex
	bytes.Buffer
	fail  int  // so many writes fail, each after its first bytes
	first int  // as many; 0: ten
	hangs bool // until let
	let   chan struct{}
}

func (d *disk) Write(b []byte) (int, error) {
	if d.hangs {
		<-d.let
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail > 0 {
		d.fail--
		n := min(len(b), cmp.Or(d.first, 10))
		_, _ = d.Buffer.Write(b[:n])
		return n, errBroken
	}
	return d.Buffer.Write(b)
}

func (d *disk) Close() error { return nil }

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

// TestNobodyWaitsForADisk that hangs. What found no room is counted where it is missing, and the end waits a moment only.
func TestNobodyWaitsForADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{hangs: true, let: make(chan struct{})}
		w := newWriter(d, Options{}, false)
		go w.Run()
		synctest.Wait() // it hangs with the first line
		began := time.Now()
		for range room + 7 {
			w.Sink(event.Event{Kind: event.ClientWaits})
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("those who emit waited for %v", waited)
		}
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "does not answer") || time.Since(began) != closeWait {
			t.Errorf("after %v the end says %v", time.Since(began), err)
		}
		close(d.let)
		synctest.Wait()
		all := read(t, d.Bytes())
		i := slices.IndexFunc(all, func(l Line) bool { return l.Kind == kindLost })
		if len(all) != room+3 || i != room+1 || all[i].Lost != 7 {
			t.Errorf("%d lines, %d missing in line %d", len(all), all[max(i, 0)].Lost, i)
		}
	})
}

// TestWhatIsMissingIsToldInItsPlace: behind what had come before, and before what came later. A wait that is told, and whose
// end is not, would else be held against rouse.
func TestWhatIsMissingIsToldInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{hangs: true, let: make(chan struct{})}
		w := newWriter(d, Options{Settings: map[string]Settings{"web": {StartTimeout: time.Minute}}}, false)
		w.now = func() int64 { return time.Now().UnixNano() }
		go w.Run()
		synctest.Wait() // it hangs with the first line
		for range room {
			w.Sink(event.Event{Kind: event.ClientWaits, Target: "web", Client: "192.0.2.7:1"})
		}
		for range 7 {
			w.Sink(event.Event{Kind: event.ClientLeft, Target: "web", Client: "192.0.2.7:1"})
		}
		d.hangs = false
		close(d.let)
		synctest.Wait() // it is told although nobody comes behind it
		if got := kinds(read(t, d.Bytes())[room:]); got != "client waits, trace lost" {
			t.Errorf("the trace ends with %s", got)
		}
		time.Sleep(time.Hour)
		w.Sink(event.Event{Kind: event.ClientWaits, Target: "web", Client: "192.0.2.7:2"})
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		all := read(t, d.Bytes())
		if got := kinds(all[room:]); got != "client waits, trace lost, client waits, rouse ended" || all[room+1].Lost != 7 {
			t.Errorf("the trace ends with %s", got)
		}
		if r := Check(slices.Values(all), CheckOptions{}); !r.OK() || r.Lost != 7 {
			t.Errorf("%s", r)
		}
	})
}

func TestAFullDiskIsSaidOnceAndInTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{fail: 5}
		w := newWriter(d, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, false)
		go w.Run()
		for range 6 { // the first line is written by itself
			synctest.Wait()
			w.Sink(event.Event{Kind: event.ClientWaits})
		}
		synctest.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "the trace cannot be written"); n != 1 {
			t.Errorf("said %d times: %s", n, log.String())
		}
		all := read(t, d.Bytes())
		if got := kinds(all); got != "trace lost, client waits, client waits, rouse ended" || all[0].Lost != 5 {
			t.Errorf("wrote %s, %d lost", got, all[0].Lost)
		}
	})
}

// TestLinesThatAFullDiskHasTakenAreNotMissing: of a batch, it may have taken some.
func TestLinesThatAFullDiskHasTakenAreNotMissing(t *testing.T) {
	line := func(w *Writer) int {
		w.take(item{event: event.Event{Kind: event.ClientWaits}})
		return len(w.buf)
	}
	for name, cut := range map[string]int{"at the end of a line": 0, "within one": -5} {
		t.Run(name, func(t *testing.T) {
			var d disk
			w := newWriter(&d, Options{}, false)
			w.take(<-w.queue)
			line(w)
			d.fail, d.first = 1, line(w)+cut
			line(w)
			line(w)
			w.flush()
			line(w)
			w.flush()
			want, missing := "rouse began, client waits, client waits, trace lost, client waits", int64(2)
			if cut < 0 {
				want, missing = "rouse began, client waits, trace lost, client waits", 3
			}
			all := read(t, d.Bytes())
			if i := slices.IndexFunc(all, func(l Line) bool { return l.Kind == kindLost }); kinds(all) != want || all[i].Lost != missing {
				t.Errorf("wrote %s, %d lost", kinds(all), all[max(i, 0)].Lost)
			}
		})
	}
}

// TestWhatIsMissingIsToldBeforeALineThatFollowsATornOne: whoever reads it takes the file for none of ours else.
func TestWhatIsMissingIsToldBeforeALineThatFollowsATornOne(t *testing.T) {
	var d disk
	w := newWriter(&d, Options{}, false)
	w.take(<-w.queue)
	w.flush()
	client := event.Event{Kind: event.ClientWaits}
	w.take(item{event: client})
	client.Client = strings.Repeat("x", batchBytes-2*len(w.buf)-len(`"client":"",`)-1)
	w.take(item{event: client}) // one byte more, and it is written
	if len(w.buf) != batchBytes-1 {
		t.Fatalf("%d bytes wait to be written", len(w.buf))
	}
	d.fail = 1
	w.take(item{lost: 1, event: event.Event{Kind: event.ClientLeft}})
	w.flush()
	w.take(item{event: event.Event{Kind: event.ClientLeft}})
	w.flush()
	all := read(t, d.Bytes())
	if got := kinds(all); got != "rouse began, trace lost, client left" || all[1].Lost != 4 {
		t.Errorf("wrote %s, %d lost", got, all[1].Lost)
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
