package app

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/target"
)

// onBothEngines runs a test with clients on the loops, where there are any, and with clients on goroutines.
func onBothEngines(t *testing.T, f func(*testing.T, *house)) {
	t.Run("loops", func(t *testing.T) { f(t, newHouse(t, "web")) })
	t.Run("goroutines", func(t *testing.T) {
		h := newHouse(t, "web")
		back := filepath.Join(h.dir, "b.sock")
		ln, err := net.Listen("unix", back)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go parrots("web", ln)
		h.cfg.Targets[0].Backend = config.Backend{Socket: back}
		f(t, h)
	})
}

// A stranger is served while friends keep the target awake. It comes again and again, and another one stays: neither keeps it awake,
// and the one who stays is gone before the stop hook runs.
func TestAStrangerKeepsNothingAwake(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.cfg.Targets[0].Cooldown = 400 * time.Millisecond
		h.open(config.Route{To: to("web"), Gate: config.Gate{WakeFrom: sources("127.0.0.2/32")}})
		friend := h.entered(h.from("127.0.0.2", 0), "web")
		stays := h.entered(h.from("127.0.0.3", 0), "web")
		h.echoes(stays)
		if st := h.app.Status("web"); st.Held != 1 || st.Visitors != 1 {
			t.Fatalf("%+v, want one who holds it and one who visits", st)
		}
		_ = friend.Close()
		stop := time.Now().Add(20 * time.Second)
		for h.app.Status("web").State != target.Stopped && time.Now().Before(stop) {
			_ = h.from("127.0.0.4", 0).Close()
			time.Sleep(20 * time.Millisecond)
		}
		if got := h.log(); got != "start web, stop web" {
			t.Errorf("the hooks did: %s", got)
		}
		if _, err := stays.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("the stranger who stayed read %v, want to be cut", err)
		}
		await(t, func() bool { return h.app.Status("web").Visitors == 0 })
		h.refused(h.from("127.0.0.3", 0), "hello")
	})
}

// Who comes and goes at once does not keep the target awake either, where a gate asks for a stay; who stays does.
func TestWhoStaysIsCountedAndWhoGoesIsNot(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.cfg.Targets[0].Cooldown = 400 * time.Millisecond
		h.open(config.Route{To: to("web"), Gate: config.Gate{MinHold: 150 * time.Millisecond}})
		first := h.entered(h.from("127.0.0.1", 0), "web")
		began := time.Now()
		second := h.entered(h.from("127.0.0.1", 0), "web") // at once: the target is awake
		await(t, func() bool { return h.app.Status("web").Held == 2 })
		if took := time.Since(began); took < 150*time.Millisecond {
			t.Errorf("it counted after %v", took)
		}
		_ = first.Close()
		time.Sleep(time.Second)
		h.echoes(second)
		_ = second.Close()
		stop := time.Now().Add(20 * time.Second)
		for h.app.Status("web").State != target.Stopped && time.Now().Before(stop) {
			_ = h.from("127.0.0.1", 0).Close()
			time.Sleep(20 * time.Millisecond)
		}
		if got := h.log(); got != "start web, stop web" {
			t.Errorf("the hooks did: %s", got)
		}
	})
}

// Who says the wrong thing to a target that is awake is served, and does not keep it so; who says the right one does.
func TestWordsCountWhileTheTargetIsAwake(t *testing.T) {
	onBothEngines(t, func(t *testing.T, h *house) {
		h.cfg.Targets[0].Cooldown = time.Hour
		h.open(config.Route{To: to("web"), Gate: config.Gate{WakeOn: []config.Shape{{Kind: "ssh"}}, FirstBytes: 5 * time.Second}})
		say := func(text string) net.Conn {
			conn := h.from("127.0.0.1", 0)
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			return h.entered(conn, "web")
		}
		defer say("SSH-2.0-a\r\n").Close()
		defer say("SSH-2.0-b\r\n").Close()
		defer say("GET / HTTP/1.1\r\n\r\n").Close()
		if st := h.app.Status("web"); st.Held != 2 || st.Visitors != 1 {
			t.Errorf("%+v, want two who hold it and one who visits", st)
		}
	})
}
