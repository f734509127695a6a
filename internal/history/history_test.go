package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday

// shelf is a store whose writer the test turns by hand.
type shelf struct {
	*Store
	t   *testing.T
	dir string
	w   *writer
	log *strings.Builder
}

func newShelf(t *testing.T, dir string, o Options) *shelf {
	t.Helper()
	log := &strings.Builder{}
	o.Path, o.Logger = Path(dir), slog.New(slog.NewTextHandler(log, nil))
	s := New(o)
	w := &writer{Store: s, uses: map[string]*use{}, open: map[string]interval{}, pruned: time.Now()}
	h := &shelf{s, t, dir, w, log}
	t.Cleanup(func() {
		if w.db != nil {
			w.db.Close()
		}
	})
	return h
}

func (h *shelf) turn() { h.w.turn(h.t.Context(), false) }

func (h *shelf) say(at time.Duration, e event.Event) {
	e.Time, e.Target = noon.Add(at), "web"
	h.Sink(e)
}

// client is one that came, waited, stayed and went.
func (h *shelf) client(at, waited, lasted time.Duration, client string) {
	h.say(at+waited, event.Event{Kind: event.ClientServed, Client: client, Route: "0.0.0.0:80", Elapsed: waited, Epoch: 7})
	h.say(at+waited+lasted, event.Event{Kind: event.ClientEnded, Client: client, Route: "0.0.0.0:80", Waited: waited, Elapsed: lasted, Sent: 10, Received: 20, Cause: "both sides ended"})
}

func (h *shelf) state(at, after time.Duration, from, to string) {
	h.say(at, event.Event{Kind: event.StateChanged, From: from, To: to, Elapsed: after, Cause: "client 10.0.0.9:1"})
}

func (h *shelf) reader() *Reader {
	h.t.Helper()
	r, err := OpenReader(h.t.Context(), h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { r.Close() })
	return r
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestADayIsKept(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.state(0, time.Hour, "stopped", "starting")
	h.say(0, event.Event{Kind: event.OperationBegun, Operation: "start", Cause: "client 10.0.0.9:1", Epoch: 7})
	h.say(30*time.Second, event.Event{Kind: event.HookEnded, Operation: "start", Output: "booted"})
	h.say(40*time.Second, event.Event{Kind: event.OperationEnded, Operation: "start", Elapsed: 40 * time.Second, Epoch: 7})
	h.state(40*time.Second, 40*time.Second, "starting", "ready")
	h.client(0, 40*time.Second, time.Minute, "10.0.0.9:1")
	h.client(70*time.Second, 0, 10*time.Second, "10.0.0.9:2")
	h.client(10*time.Minute, 0, 5*time.Minute, "10.0.0.9:3")
	h.state(30*time.Minute, 29*time.Minute, "ready", "stopping")
	h.state(31*time.Minute, time.Minute, "stopping", "stopped")
	h.state(40*time.Minute, time.Minute, "stopped", "unknown")
	h.state(41*time.Minute, time.Minute, "unknown", "stopped")
	h.Traffic("web", noon.Add(61*time.Second), 100, 200)
	h.Traffic("web", noon.Add(62*time.Second), 1, 2)
	h.turn()
	r, ctx := h.reader(), t.Context()
	since, until := noon.Add(-2*time.Hour), noon.Add(time.Hour)

	var states []string
	for _, i := range must[[]Interval](t)(r.Intervals(ctx, "web", since, until)) {
		states = append(states, fmt.Sprintf("%s %v", i.State, i.Until.Sub(i.Since)))
	}
	if got, want := strings.Join(states, ", "), "stopped 1h0m0s, starting 40s, ready 29m20s, stopping 1m0s, stopped 29m0s"; got != want {
		t.Errorf("states: %s; want %s", got, want)
	}
	conns := must[[]Connection](t)(r.Connections(ctx, Query{Target: "web"}))
	if len(conns) != 3 || conns[2].Client != "10.0.0.9:1" || time.Duration(conns[2].Waited) != 40*time.Second || time.Duration(conns[2].Lasted) != time.Minute ||
		conns[2].Sent != 10 || conns[2].Received != 20 || conns[2].Ended != "both sides ended" || !conns[2].At.Equal(noon) {
		t.Errorf("connections: %+v", conns)
	}
	uses := must[[]Use](t)(r.Uses(ctx, "web", since, until))
	if len(uses) != 2 || uses[0].Arrivals != 2 || !uses[0].Until.Equal(noon.Add(100*time.Second)) || uses[1].Until.Sub(uses[1].Since) != 5*time.Minute {
		t.Errorf("uses: %+v", uses)
	}
	starts := must[[]Start](t)(r.Starts(ctx, Query{Target: "web"}))
	if len(starts) != 1 || !starts[0].OK || time.Duration(starts[0].Took) != 40*time.Second || !starts[0].At.Equal(noon) {
		t.Errorf("starts: %+v", starts)
	}
	hours := must[[]Hour](t)(r.Hours(ctx, "web", since, until))
	if len(hours) != 1 || hours[0].Arrivals != 3 || hours[0].Waits != 1 || time.Duration(hours[0].Longest) != 40*time.Second {
		t.Errorf("hours: %+v", hours)
	}
	if got := fmt.Sprint(must[[]int](t)(r.Arrivals(ctx, "web", noon, until, 5*time.Minute))[:3]); got != "[2 0 1]" {
		t.Errorf("arrivals: %s", got)
	}
	sent, received, err := r.Carried(ctx, "web", noon, until, time.Minute)
	if err != nil || sent[1] != 101 || received[1] != 202 {
		t.Errorf("carried: %v %v %v", sent, received, err)
	}
	facts := must[[]Fact](t)(r.Facts(ctx, Query{}))
	if len(facts) != 7 || facts[0].To != "stopped" || facts[4].Output != "booted" {
		t.Errorf("%d facts: %+v", len(facts), facts)
	}
	if page := must[[]Fact](t)(r.Facts(ctx, Query{Before: facts[2].ID, Limit: 2})); len(page) != 2 || page[0].ID != facts[3].ID {
		t.Errorf("page: %+v", page)
	}
}

func TestTheLibraryHasNoKnownCorruption(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.turn()
	var version string
	if err := h.w.db.QueryRow("SELECT sqlite_version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	var a, b, c int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &a, &b, &c); err != nil || a*1_000_000+b*1000+c < 3_051_003 {
		t.Errorf("SQLite %s: one before 3.51.3 may damage a file with a write-ahead log", version)
	}
}

func TestWhatACrashLeavesOpenIsEnded(t *testing.T) {
	dir := t.TempDir()
	h := newShelf(t, dir, Options{})
	began := time.Now().Add(-time.Hour)
	h.Sink(event.Event{Time: began, Kind: event.StateChanged, Target: "web", From: "starting", To: "ready", Elapsed: time.Minute})
	h.Sink(event.Event{Time: began, Kind: event.ClientServed, Target: "web", Client: "c"})
	h.turn()
	h.w.db.Close() // and no word more
	h.w.db = nil

	again := newShelf(t, dir, Options{})
	again.turn()
	r := again.reader()
	conns := must[[]Connection](t)(r.Connections(t.Context(), Query{}))
	if len(conns) != 1 || conns[0].Ended != "rouse ended" || time.Duration(conns[0].Lasted) < 59*time.Minute {
		t.Errorf("connections: %+v", conns)
	}
	later := time.Now().Add(time.Hour)
	states := must[[]Interval](t)(r.Intervals(t.Context(), "web", began.Add(-time.Hour), later))
	if len(states) != 2 || states[1].Until.After(time.Now().Add(time.Minute)) || states[1].Until.Sub(began) < 59*time.Minute {
		t.Errorf("states: %+v", states)
	}
	if n := again.Target("web"); n.Expected() != 0 {
		t.Errorf("nothing was started, and it is said to take %v", n.Expected())
	}
	old := h.last
	again.Sink(event.Event{Time: noon, Kind: event.RouseBegan})
	if again.last <= old {
		t.Error("an ID is used twice")
	}
}

func TestADeadDiskCostsHistoryAndNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	h := newShelf(t, dir, Options{})
	h.client(0, 0, time.Second, "a")
	h.turn() // there is no such folder
	if h.Reader() != nil || !strings.Contains(h.log.String(), "the history cannot be written") {
		t.Fatalf("log: %s", h.log)
	}
	for range mostQueued + 10 {
		h.client(0, 0, time.Second, "b")
	}
	if h.w.waiting() > mostQueued {
		t.Errorf("%d entries wait", h.w.waiting())
	}
	if n := h.Target("web"); n.Connections != mostQueued+11 || n.Clients != 0 {
		t.Errorf("what is so now: %+v", n)
	}
	if h.w.longest() != firstRest {
		t.Errorf("it is tried again after %v", h.w.longest())
	}
	for range 20 {
		h.turn()
	}
	if h.w.longest() != longRest {
		t.Errorf("and later after %v", h.w.longest())
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.turn()
	if h.w.longest() != aliveBeat {
		t.Errorf("once it is written, after %v", h.w.longest())
	}
	if n := len(must[[]Connection](t)(h.reader().Connections(t.Context(), Query{Limit: MostEntries}))); n != MostEntries {
		t.Errorf("%d connections are kept", n)
	}
	if !strings.Contains(h.log.String(), "lost=11") {
		t.Errorf("log: %s", h.log)
	}
}

func TestADamagedFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(Path(dir), []byte(strings.Repeat("this is no database. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newShelf(t, dir, Options{})
	h.client(0, 0, time.Second, "a")
	h.turn()
	if n := len(must[[]Connection](t)(h.reader().Connections(t.Context(), Query{}))); n != 1 {
		t.Errorf("%d connections; log: %s", n, h.log)
	}
	if _, err := os.Stat(Path(dir) + ".damaged"); err != nil || !strings.Contains(h.log.String(), "damaged") {
		t.Errorf("%v; log: %s", err, h.log)
	}
}

func TestAFileOfANewerRouseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	h := newShelf(t, dir, Options{})
	h.turn()
	if _, err := h.w.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	h.w.db.Close()
	h.w.db = nil
	before := must[[]byte](t)(os.ReadFile(Path(dir)))
	h.client(0, 0, time.Second, "a")
	h.turn()
	if !strings.Contains(h.log.String(), "a newer rouse") {
		t.Errorf("log: %s", h.log)
	}
	if after := must[[]byte](t)(os.ReadFile(Path(dir))); string(before) != string(after) {
		t.Error("the file was written")
	}
	if _, err := OpenReader(t.Context(), dir); !errors.Is(err, ErrNewer) {
		t.Errorf("reading: %v", err)
	}
}

func TestOthersCannotReadIt(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.client(0, 0, time.Second, "a")
	h.turn()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(Path(h.dir) + suffix)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s%s: %v, %v", FileName, suffix, info.Mode(), err)
		}
	}
}

func TestWhatIsOldOrTooMuchIsForgotten(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{Keep: 24 * time.Hour, Size: 1 << 20})
	now := time.Now()
	h.Sink(event.Event{Time: now.Add(-48 * time.Hour), Kind: event.ClientEnded, Target: "web", Client: "old", Elapsed: time.Second})
	for i := range 20_000 {
		at := now.Add(time.Duration(i-20_000) * time.Second)
		h.Sink(event.Event{Time: at, Kind: event.ClientEnded, Target: "web", Client: fmt.Sprintf("10.0.0.9:%d", i), Elapsed: time.Millisecond})
	}
	h.turn()
	if err := h.w.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := used(t.Context(), h.w.db); err != nil || n > 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	conns := must[[]Connection](t)(h.reader().Connections(t.Context(), Query{Limit: MostEntries}))
	if len(conns) < 1000 || conns[0].Client != "10.0.0.9:19999" {
		t.Errorf("%d connections, the newest %+v", len(conns), conns[0])
	}
	total := 0
	for _, hour := range must[[]Hour](t)(h.reader().Hours(t.Context(), "web", now.Add(-72*time.Hour), now)) {
		total += hour.Arrivals
	}
	if total != 20_000 {
		t.Errorf("the hours know of %d arrivals", total)
	}
	if _, err := h.w.db.Exec("PRAGMA wal_checkpoint(truncate)"); err != nil {
		t.Fatal(err)
	}
	info := must[os.FileInfo](t)(os.Stat(Path(h.dir)))
	if info.Size() > 3<<19 {
		t.Errorf("the file has %d bytes", info.Size())
	}
}

func TestACrowdIsCounted(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	for i := range 1000 {
		h.say(time.Duration(i)*time.Millisecond, event.Event{Kind: event.ClientRefused, Client: fmt.Sprint(i), Err: errors.New("no")})
	}
	h.say(2*time.Minute, event.Event{Kind: event.RouseEnded})
	facts, all, _ := h.Recent(0)
	if len(facts) != crowdSome+2 || facts[crowdSome].Times != 1000-crowdSome || all {
		t.Errorf("%d facts, all %v, the last but one %+v", len(facts), all, facts[crowdSome])
	}
	h.turn()
	if hours := must[[]Hour](t)(h.reader().Hours(t.Context(), "web", noon, noon.Add(time.Hour))); len(hours) != 1 || hours[0].Refused != 1000 {
		t.Errorf("hours: %+v", hours)
	}
}

func TestRecentFactsAreResumed(t *testing.T) {
	s := New(Options{})
	emit := func() { s.Sink(event.Event{Time: noon, Kind: event.RouseBegan}) }
	emit()
	first, _, more := s.Recent(0)
	select {
	case <-more:
		t.Fatal("nothing has come")
	default:
	}
	emit()
	<-more
	next, all, _ := s.Recent(first[0].ID)
	if len(next) != 1 || !all || next[0].ID <= first[0].ID {
		t.Errorf("then: %+v, all %v", next, all)
	}
	for range 3 * mostRecent {
		emit()
	}
	if rest, all, _ := s.Recent(first[0].ID); all || len(rest) < mostRecent {
		t.Errorf("%d are remembered, all %v", len(rest), all)
	}
	if rest, all, _ := s.Recent(s.last); !all || len(rest) != 0 {
		t.Errorf("after the last: %d, all %v", len(rest), all)
	}
}

func TestTheWriterEndsWithWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	s := New(Options{Path: Path(dir)})
	s.Start()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				s.Sink(event.Event{Time: time.Now(), Kind: event.ClientServed, Target: "web", Client: fmt.Sprint(g, i)})
				s.Sink(event.Event{Time: time.Now(), Kind: event.ClientEnded, Target: "web", Client: fmt.Sprint(g, i)})
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := must[*Reader](t)(OpenReader(context.Background(), dir))
	defer r.Close()
	if n := len(must[[]Connection](t)(r.Connections(t.Context(), Query{Limit: MostEntries}))); n != 2000 {
		t.Errorf("%d connections", n)
	}
}

func TestSecondsAreNumbers(t *testing.T) {
	b := must[[]byte](t)(json.Marshal(Seconds(1500 * time.Millisecond)))
	var s Seconds
	if err := json.Unmarshal(b, &s); err != nil || string(b) != "1.5" || time.Duration(s) != 1500*time.Millisecond {
		t.Errorf("%s %v %v", b, s, err)
	}
}

func BenchmarkSink(b *testing.B) {
	s := New(Options{Path: "/nowhere"})
	served := event.Event{Time: noon, Kind: event.ClientServed, Target: "web", Client: "10.0.0.9:1", Route: "0.0.0.0:80"}
	ended := event.Event{Time: noon, Kind: event.ClientEnded, Target: "web", Client: "10.0.0.9:1", Route: "0.0.0.0:80"}
	b.ReportAllocs()
	for b.Loop() {
		s.Sink(served)
		s.Sink(ended)
	}
}

func TestAWeekIsAveraged(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.state(-14*24*time.Hour, time.Hour, "unknown", "ready")
	for week := range 2 { // on both Mondays, half an hour from twelve
		h.client(time.Duration(week-2)*7*24*time.Hour, 0, 30*time.Minute, "a")
		h.client(time.Duration(week-2)*7*24*time.Hour+10*time.Minute, 0, 5*time.Minute, "b") // within the other
	}
	h.client(-6*24*time.Hour+30*time.Minute, 0, time.Hour, "a") // one Tuesday
	h.turn()
	w, err := h.reader().Week(t.Context(), "web", 4, noon, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if w.Hours[0][12] != 0.5 || w.Hours[1][12] != 0.25 || w.Hours[1][13] != 0.25 || w.Hours[3][12] != 0 || w.Arrivals[0][12] != 4 {
		t.Errorf("%+v", w)
	}
}

func TestTimelinesHaveAFewHundredBins(t *testing.T) {
	for _, span := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 400 * 24 * time.Hour, 4000 * 24 * time.Hour} {
		if n := span / BinFor(span); n < 50 || n > 420 {
			t.Errorf("%v: %d bins of %v", span, n, BinFor(span))
		}
	}
}

// TestABatchThatFailsIsWrittenLater: a table is away for a moment.
func TestABatchThatFailsIsWrittenLater(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.turn()
	rename := func(from, to string) {
		t.Helper()
		if _, err := h.w.db.Exec("ALTER TABLE " + from + " RENAME TO " + to); err != nil {
			t.Fatal(err)
		}
	}
	rename("connections", "away")
	h.say(-time.Minute, event.Event{Kind: event.ClientServed, Client: "stays"})
	h.client(0, 0, time.Second, "a")
	h.turn()
	h.client(time.Minute, 0, time.Second, "b")
	h.turn()
	rename("away", "connections")
	h.turn()
	conns := must[[]Connection](t)(h.reader().Connections(t.Context(), Query{}))
	if len(conns) != 3 || !slices.ContainsFunc(conns, func(c Connection) bool { return c.Client == "stays" && c.Ended == "" }) {
		t.Errorf("connections: %+v; log: %s", conns, h.log)
	}
	if uses := must[[]Use](t)(h.reader().Uses(t.Context(), "web", noon.Add(-time.Hour), noon.Add(time.Hour))); len(uses) != 3 {
		t.Errorf("uses: %+v", uses)
	}
	if hours := must[[]Hour](t)(h.reader().Hours(t.Context(), "web", noon.Add(-time.Hour), noon.Add(time.Hour))); len(hours) != 1 || hours[0].Arrivals != 2 {
		t.Errorf("hours: %+v", hours)
	}
	if strings.Count(h.log.String(), "cannot be written") != 1 || strings.Count(h.log.String(), "is written again") != 1 {
		t.Errorf("log: %s", h.log)
	}
}

func TestHowLongAStartTakesIsKnownAfterARestart(t *testing.T) {
	dir := t.TempDir()
	h := newShelf(t, dir, Options{})
	for _, took := range []time.Duration{10, 30, 20} {
		h.say(took*time.Minute, event.Event{Kind: event.OperationEnded, Operation: "start", Elapsed: took * time.Second})
	}
	h.say(time.Hour, event.Event{Kind: event.OperationEnded, Operation: "start", Elapsed: time.Hour, Err: errors.New("no")})
	h.turn()
	again := newShelf(t, dir, Options{})
	again.turn()
	if got := again.Target("web").Expected(); got != 20*time.Second {
		t.Errorf("it is said to take %v", got)
	}
}

// TestMinutesOfTrafficAreNotAllThatIsKept: they are bounded by size as well, and nothing else has to go for them.
func TestMinutesOfTrafficAreNotAllThatIsKept(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{Size: 256 << 10})
	now := time.Now()
	h.Sink(event.Event{Time: now.Add(-time.Hour), Kind: event.StateChanged, Target: "web", From: "stopped", To: "ready", Elapsed: time.Hour})
	for i := range 20_000 {
		h.Traffic("web", now.Add(time.Duration(i-20_000)*time.Minute), 1, 2)
	}
	h.turn()
	if err := h.w.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := used(t.Context(), h.w.db); err != nil || n > 256<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	var minutes int
	if err := h.w.db.QueryRow("SELECT count(*) FROM traffic").Scan(&minutes); err != nil || minutes < 100 {
		t.Errorf("%d minutes are kept, %v", minutes, err)
	}
}

// TestClientsAreToldApart: each by itself, and without what it has waited; one that goes on until now.
func TestClientsAreToldApart(t *testing.T) {
	h := newShelf(t, t.TempDir(), Options{})
	h.client(0, 40*time.Second, time.Minute, "a")
	h.client(10*time.Second, 30*time.Second, time.Minute, "b")
	h.say(5*time.Minute, event.Event{Kind: event.ClientServed, Client: "c", Elapsed: time.Second})
	h.say(6*time.Minute, event.Event{Kind: event.ClientEnded, Client: "v", Elapsed: time.Minute, Visits: true})
	h.turn()
	stays := must[[]Use](t)(h.reader().Stays(t.Context(), "web", noon.Add(-time.Hour), noon.Add(10*time.Minute)))
	if len(stays) != 3 || !stays[0].Since.Equal(noon) || stays[0].Until.Sub(stays[0].Since) != time.Minute || stays[1].Until.Sub(stays[1].Since) != time.Minute ||
		stays[2].Until.Sub(stays[2].Since) != 5*time.Minute {
		t.Errorf("%+v", stays)
	}
}
