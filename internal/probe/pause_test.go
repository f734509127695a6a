package probe

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestPauseAfterARefusal(t *testing.T) {
	for _, c := range []struct{ elapsed, usual, want time.Duration }{
		{0, 0, promptPause},
		{promptFor - 1, 0, promptPause},
		{promptFor + 500*time.Millisecond, 0, 87500 * time.Microsecond},
		{12 * time.Second, 0, slowPause},
		{time.Hour, 0, slowPause},
		{34 * time.Second, 40 * time.Second, slowPause},
		{35 * time.Second, 40 * time.Second, promptPause},
		{45 * time.Second, 40 * time.Second, promptPause},
		{46 * time.Second, 40 * time.Second, slowPause},
		{time.Second, 40 * time.Second, promptPause},
	} {
		if got := refusedPause(c.elapsed, c.usual); got != c.want {
			t.Errorf("after %v, usual %v: %v, want %v", c.elapsed, c.usual, got, c.want)
		}
	}
}

// refusing is the network before a target that boots until up; it counts the attempts.
type refusing struct {
	up       time.Time
	attempts int // one at a time: a refusal takes no time
}

func (r *refusing) dial(context.Context, string, string) (net.Conn, error) {
	r.attempts++
	if time.Now().Before(r.up) {
		return nil, syscall.ECONNREFUSED
	}
	client, server := net.Pipe()
	server.Close()
	return client, nil
}

// boot waits for one boot of that length, and returns how late that was noticed.
func (r *refusing) boot(t *testing.T, p *Prober, length time.Duration) (late time.Duration) {
	r.up, r.attempts = time.Now().Add(length), 0
	conn, err := p.Wait(t.Context(), "vm:22")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return time.Since(r.up)
}

func TestBootThatTakesAsLongAsTheLastIsNoticedPromptly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &refusing{}
		p := newProber(t, Options{Dial: r.dial})
		steps := []struct{ length, within time.Duration }{
			{3 * time.Second, promptPause},
			{41 * time.Second, slowPause},
			{43 * time.Second, promptPause},
			{time.Second, promptPause}, // found running: tells nothing of the boots
			{46 * time.Second, promptPause},
		}
		for _, s := range steps {
			if late := r.boot(t, p, s.length); late > s.within {
				t.Errorf("a boot of %v was noticed %v late, want within %v", s.length, late, s.within)
			}
			if bound := int(2*promptFor/promptPause + s.length/(25*time.Millisecond)); r.attempts > bound {
				t.Errorf("%d attempts in %v, want at most %d", r.attempts, s.length, bound)
			}
		}
	})
}
