//go:build linux

package town

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/rouse-proxy/rouse/test/chaos/internal/street"
)

// A tool is what some nemeses cannot do without.
type tool string

const (
	filters      tool = "nft"
	socketKiller tool = "ss -K"
	timeSpaces   tool = "unshare -T"
	controlGroup tool = "pids control group"
	wallClock    tool = "wall clock of its own"
)

// Tools says which are missing, and why.
type Tools map[tool]string

// Missing says whether one is.
func (m Tools) Missing(t tool) bool { return m[t] != "" }

// Try tries every tool inside a cell. cgroup is the control group that was made for it, and jump the address of the
// variable that moves rouse's wall clock.
func Try(cgroup string, jump uint64) (Tools, error) {
	if err := street.Pave(); err != nil {
		return nil, err
	}
	house, err := street.Build("try", "198.18.3.1")
	if err != nil {
		return nil, err
	}
	missing := Tools{}
	note := func(t tool, err error) {
		if err != nil {
			missing[t] = err.Error()
		}
	}
	note(filters, house.Set(street.Weather{Cut: []string{"198.18.3.2"}, Loss: 1}))
	note(socketKiller, house.Reset("dst", "198.18.3.2"))
	note(timeSpaces, tryTimeSpace())
	if cgroup == "" {
		missing[controlGroup] = "there is no control group with the pids controller that we could make a child of"
	}
	if jump == 0 {
		missing[wallClock] = "rouse was built without it"
	}
	return missing, nil
}

// tryTimeSpace looks whether a program that is started so has another clock itself, and not only its children.
func tryTimeSpace() error {
	out, err := exec.Command("unshare", append(otherClock(1e9), "cat", "/proc/self/timens_offsets")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("unshare: %w: %s", err, out)
	}
	if !strings.Contains(string(out), "1000000000") {
		return fmt.Errorf("a program does not get the clock that it is started with")
	}
	return nil
}

// otherClock are the arguments of unshare(1) for clocks that are ahead by so many seconds.
func otherClock(seconds int) []string {
	return []string{"-T", fmt.Sprintf("--monotonic=%d", seconds), fmt.Sprintf("--boottime=%d", seconds), "--"}
}

// LeftOut says which nemeses are left out, and why, one a line.
func (m Tools) LeftOut() []string {
	var lines []string
	for _, name := range Nemeses() {
		if why := m[nemeses[name].tool]; nemeses[name].tool != "" && why != "" {
			lines = append(lines, fmt.Sprintf("%s (%s): %s", name, nemeses[name].tool, why))
		}
	}
	slices.Sort(lines)
	return lines
}

// others returns the processes of the cell beside its init and us.
func others() []string {
	entries, _ := os.ReadDir("/proc")
	var all []string
	for _, e := range entries {
		data, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil || strings.Trim(e.Name(), "0123456789") != "" || e.Name() == "1" || e.Name() == fmt.Sprint(os.Getpid()) {
			continue
		}
		all = append(all, e.Name()+" "+strings.ReplaceAll(string(data), "\x00", " "))
	}
	return all
}
