//go:build unix

package crash

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// A life is what clients do around the fault.
type life struct {
	name string
	play func(*stage)
}

var lives = []life{
	{"nobody", nobody},
	{"waiting", waiting},
	{"connected", connected},
}

// nobody: the one that wakes the machine leaves at once, and everything happens with nobody there.
func nobody(s *stage) {
	for !s.happened() {
		conn, err := net.Dial("tcp", s.front)
		if err != nil {
			time.Sleep(10 * time.Millisecond) // rouse is on its way, or between two lives
			continue
		}
		s.await("the client is noticed", func() bool { return s.happened() || s.told() == "starting" || s.told() == "ready" })
		_ = conn.Close()
		s.await("rouse has heard of the start", func() bool { return s.happened() || s.told() != "starting" })
		break
	}
}

// waiting: one client waits for the start, and another one comes while the machine is being stopped.
func waiting(s *stage) {
	s.visit("the first").leave()
	s.await("the stop begins", func() bool { return s.in(fakecloud.Stopping) || s.in(fakecloud.Stopped) })
	s.visit("the second").leave()
}

// connected: a client stays for longer than the cooldown while others come and go, and comes back if it is cut.
func connected(s *stage) {
	c := s.visit("the first")
	other := 0
	for end := time.Now().Add(3 * cooldown); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := ask(c, "still here"); err != nil {
			if !s.mayEnd(err) {
				s.t.Fatalf("the client that stays: %v", err)
			}
			c.leave()
			c = s.visit("the first, again")
		}
		if other++; other%8 == 0 {
			s.visit(fmt.Sprintf("visitor %d", other)).leave()
		}
	}
	c.leave()
}

// A scene is one case of the matrix.
type scene struct {
	life   life
	point  string
	action string
	nth    int
	status bool
}

func (c scene) String() string {
	return fmt.Sprintf("%s/%s/%s@%d", c.life.name, c.point, c.action, c.nth)
}

// most is how many passings of one point in a life are broken, one by one.
const most = 6

// scenes are all cases: each point that a life passes without a fault, each time it is passed, with each action.
func scenes(t *testing.T) []scene {
	var all []scene
	known := map[string]bool{}
	for _, l := range lives {
		counts := rehearse(t, l)
		for _, point := range sorted(counts) {
			known[point] = true
			for nth := 1; nth <= min(counts[point], most); nth++ {
				for _, action := range []string{"kill", "error", "delay"} {
					all = append(all, scene{life: l, point: point, action: action, nth: nth, status: len(all)%2 == 0})
				}
			}
		}
	}
	if len(known) < 40 {
		t.Errorf("only %d failpoints were passed: %v", len(known), known)
	}
	t.Logf("%d failpoints; %d cases", len(known), len(all))
	return all
}

// rehearse plays a life without a fault.
func rehearse(t *testing.T, l life) (points map[string]int) {
	t.Run("rehearsal of "+l.name, func(t *testing.T) {
		s := open(t, "", false)
		l.play(s)
		s.judge()
		points = s.points()
	})
	return points
}

func sorted(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestCrashMatrix breaks the program at each point of each life, in each way. The short form takes every kill at the first
// passing of a point, and of the rest as many again, drawn by a seed. CRASH=all takes all.
func TestCrashMatrix(t *testing.T) {
	all := scenes(t)
	if os.Getenv("CRASH") != "all" {
		all = sample(t, all)
	}
	var played, missed atomic.Int64
	t.Run("scenes", func(t *testing.T) {
		turn := make(chan struct{}, width())
		for _, c := range all {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				if perform(t, c) {
					played.Add(1)
				} else {
					missed.Add(1)
				}
			})
		}
	})
	t.Logf("%d cases in which the fault came, %d in which it did not: what is passed depends on the moment", played.Load(), missed.Load())
	if played.Load() < 9*missed.Load() {
		t.Errorf("too many faults did not come")
	}
}

// width is how many lives at a time: they mostly wait.
func width() int {
	if n, err := strconv.Atoi(os.Getenv("CRASH_WIDTH")); err == nil && n > 0 {
		return n
	}
	return 6
}

// perform plays one case, and says whether the fault came.
func perform(t *testing.T, c scene) bool {
	s := open(t, fmt.Sprintf("%s=%s@%d", c.point, c.action, c.nth), c.status)
	c.life.play(s)
	s.judge()
	return s.happened()
}

// sample is the short form.
func sample(t *testing.T, all []scene) []scene {
	var kept, rest []scene
	for _, c := range all {
		if c.action == "kill" && c.nth == 1 {
			kept = append(kept, c)
		} else {
			rest = append(rest, c)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(strings.TrimSpace(text), 10, 64); err != nil {
			t.Fatalf("SEED=%q is no number", text)
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	kept = append(kept, rest[:min(len(kept)/2, len(rest))]...)
	t.Logf("SEED=%d: %d of %d cases; CRASH=all takes all", seed, len(kept), len(all))
	return kept
}
