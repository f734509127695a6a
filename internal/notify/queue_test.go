package notify

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

func TestABurstIsOneMessage(t *testing.T) {
	virtual(t, Channel{Groups: []string{Wakes}}, []answer{{code: 200}}, func(n *Notifier, a *answers, _ *logbook, _ func()) {
		for range 7 {
			n.Sink(wake("web"))
			n.Sink(wake("db"))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		sent := a.messages()
		if len(sent) != 4 {
			t.Fatalf("sent %d: %+v", len(sent), sent)
		}
		if sent[0].Count != 1 || sent[2].Count != 6 || !strings.Contains(sent[2].Text, "This is the last of 6 since 12:00:00.") {
			t.Errorf("sent %+v", sent)
		}
		if gap := a.at()[2].Sub(a.at()[0]); gap != usualPause {
			t.Errorf("the second came after %v", gap)
		}
		n.Sink(wake("web"))
		time.Sleep(time.Second)
		if sent := a.messages(); len(sent) != 5 {
			t.Errorf("one after a while has to wait: sent %d", len(sent))
		}
	})
}

func TestRefusalsComeEveryTenMinutes(t *testing.T) {
	virtual(t, Channel{Groups: []string{Refusals}}, []answer{{code: 200}}, func(n *Notifier, a *answers, _ *logbook, _ func()) {
		for range 59 { // never when one is due
			n.Sink(refusedAt(0, "web", errBoot))
			synctest.Wait()
			time.Sleep(61 * time.Second)
		}
		if sent := a.messages(); len(sent) != 6 || sent[1].Count != 9 {
			t.Errorf("sent %d: %+v", len(sent), sent)
		}
	})
}

func TestTheLastToBeToldIsTrue(t *testing.T) {
	virtual(t, Channel{}, []answer{{code: 200}}, func(n *Notifier, a *answers, _ *logbook, _ func()) {
		for range 5 {
			n.Sink(failed(0, "start", errBoot))
			synctest.Wait()
			n.Sink(state(0, "starting", "ready"))
			time.Sleep(time.Second)
		}
		n.Sink(failed(0, "start", errBoot))
		time.Sleep(time.Hour)
		sent := a.messages()
		if len(sent) != 2 {
			t.Fatalf("sent %d: %+v", len(sent), sent)
		}
		if last := sent[1]; last.Kind != Failures || !strings.HasSuffix(last.Text, ": failures 5, recovered 5.") {
			t.Errorf("the last: %+v", last)
		}
	})
}

func TestWhatIsLostIsCountedAndTold(t *testing.T) {
	q := newQueue(time.Minute)
	put := func(i int, kind string) {
		q.put(Message{ID: fmt.Sprint(i), Kind: kind, Target: fmt.Sprint(i), At: noon}, noon)
	}
	for i := range mostQueued + 7 {
		put(i, Wakes)
	}
	put(0, Wakes) // it is put together with one that waits
	if q.lost != 7 || len(q.items) != mostQueued {
		t.Fatalf("%d lost, %d wait", q.lost, len(q.items))
	}
	put(1000, Failures) // in the place of a wake
	if q.lost != 8 || len(q.items) != mostQueued || q.items[mostQueued-1].Kind != Failures {
		t.Errorf("%d lost, %d wait", q.lost, len(q.items))
	}
	it, _ := q.take(noon)
	if m := it.message(q.missed()); !strings.Contains(m.Text, "were lost, for too many waited: 8.") {
		t.Errorf("%q", m.Text)
	}
	if q.missed() != 0 {
		t.Error("told twice")
	}
}

func TestAMessageAboutRouseItselfIsForEverybody(t *testing.T) {
	host, requests := service(t, 200)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/", Targets: []string{"db"}})
	n.Sink(event.Event{Time: noon, Kind: event.StateNotSaved, Target: "web", Err: errBoot})
	if g := <-requests; !strings.Contains(g.body, "rouse cannot save its state") {
		t.Errorf("%+v", g)
	}
}
