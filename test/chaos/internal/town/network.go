//go:build linux

package town

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// networkNemeses cut, lose and reset.
func networkNemeses() []nemesis {
	return []nemesis{
		{name: "cut-clients", tool: filters, least: 300 * time.Millisecond, most: 4 * time.Second, excused: true, ghosts: true, begin: cutClients},
		{name: "cut-target", tool: filters, least: 300 * time.Millisecond, most: 4 * time.Second, excused: true, ghosts: true, begin: cutTarget},
		{name: "loss", tool: filters, least: time.Second, most: 5 * time.Second, excused: true, ghosts: true, begin: loss},
		{name: "reset-client", group: "reset", tool: socketKiller, begin: resetClient},
		{name: "reset-target", group: "reset", tool: socketKiller, begin: resetTarget},
	}
}

// change changes the weather at rouse's house.
func (t *Town) change(f func()) error {
	t.weatherMu.Lock()
	defer t.weatherMu.Unlock()
	f()
	return t.front.Set(t.weather)
}

// cut cuts an address off, and heals that again.
func (t *Town) cut(addr, who string, a Act) (func() error, error) {
	err := t.change(func() { t.weather.Cut = append(t.weather.Cut, addr) })
	return func() error {
		go t.layGhosts(a.For, t.cloud.need(who+", and what it lost"))
		return t.change(func() {
			if i := slices.Index(t.weather.Cut, addr); i >= 0 {
				t.weather.Cut = slices.Delete(t.weather.Cut, i, i+1)
			}
		})
	}, err
}

// vanishedWithin is within what rouse has to notice that a client is not there any more whose end was lost.
const vanishedWithin = 45 * time.Second

// layGhosts needs the machine, after packets were lost, until rouse knows who has left. What was lost comes again after
// pauses that have grown with the time it was lost for, but the reset of one who left comes only once.
func (t *Town) layGhosts(least time.Duration, done func()) {
	defer done()
	time.Sleep(least)
	for deadline := time.Now().Add(vanishedWithin); ; time.Sleep(100 * time.Millisecond) {
		ghosts, err := t.ghosts()
		switch {
		case err != nil, len(ghosts) == 0:
			return
		case time.Now().After(deadline):
			t.complain("rouse has not noticed within %v that these clients are gone: %v", vanishedWithin, ghosts)
			return
		}
	}
}

// ghosts are rouse's connections with clients who have none any more.
func (t *Town) ghosts() ([]string, error) {
	peers, err := t.peers("sport", "=", fmt.Sprintf(":%d", frontPort)) // first: who comes meanwhile is in the second list
	if err != nil || len(peers) == 0 {
		return nil, err
	}
	there := map[string]bool{}
	for _, house := range t.clients {
		out, err := house.Output("ss", "-H", "-t", "-a", "-n")
		if err != nil {
			return nil, fmt.Errorf("listing connections: %w", err)
		}
		for line := range strings.Lines(out) {
			if fields := strings.Fields(line); len(fields) >= 4 {
				there[fields[3]] = true
			}
		}
	}
	return slices.DeleteFunc(peers, func(p string) bool { return there[p] }), nil
}

// cutClients cuts the clients of one house off, or those of all.
func cutClients(_ context.Context, t *Town, a Act) (func() error, error) {
	if a.Amount%3 == 0 {
		return t.cut(clientsNet, "cut-clients", a)
	}
	return t.cut(t.clients[a.House].Addr, "cut-clients", a)
}

// cutTarget cuts all machines off.
func cutTarget(_ context.Context, t *Town, a Act) (func() error, error) {
	return t.cut(targetsNet, "cut-target", a)
}

// loss loses packets, to and from all.
func loss(_ context.Context, t *Town, a Act) (func() error, error) {
	percent := 5 + a.Amount%26
	return func() error {
		go t.layGhosts(2*time.Second, t.cloud.need("loss, and what it lost"))
		return t.change(func() { t.weather.Loss = 0 })
	}, t.change(func() { t.weather.Loss = percent })
}

// resetClient aborts one live connection between a client and rouse, at rouse's end or the client's.
func resetClient(_ context.Context, t *Town, a Act) (func() error, error) {
	peers, err := t.peers("sport", "=", fmt.Sprintf(":%d", frontPort))
	if err != nil || len(peers) == 0 {
		return nil, err
	}
	peer := peers[a.Amount%len(peers)]
	t.tell("reset the client " + peer)
	for _, house := range t.clients {
		if a.Amount%2 == 0 && strings.HasPrefix(peer, house.Addr+":") {
			return nil, house.Reset("src", peer)
		}
	}
	return nil, t.front.Reset("dst", peer)
}

// resetTarget aborts one live connection between rouse and the machine.
func resetTarget(_ context.Context, t *Town, a Act) (func() error, error) {
	peers, err := t.peers("dport", "=", fmt.Sprintf(":%d", machinePort))
	if err != nil || len(peers) == 0 {
		return nil, err
	}
	house, filter := t.front, []string{"dport", "=", fmt.Sprintf(":%d", machinePort)}
	if a.Amount%2 == 0 {
		house, filter = t.back, []string{"sport", "=", fmt.Sprintf(":%d", machinePort)}
	}
	t.tell("reset connections with the machine, in the house of " + house.Name)
	return nil, house.Reset(append([]string{"state", "established"}, filter...)...)
}

// peers lists the other ends of rouse's live connections that match a filter.
func (t *Town) peers(filter ...string) ([]string, error) {
	out, err := t.front.Output("ss", append([]string{"-H", "-t", "-n", "state", "established"}, filter...)...)
	if err != nil {
		return nil, fmt.Errorf("listing connections: %w", err)
	}
	var peers []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 4 {
			peers = append(peers, fields[3])
		}
	}
	return peers, nil
}
