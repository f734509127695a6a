//go:build linux

package street

import (
	"fmt"
	"os/exec"
	"strings"
)

// A Weather is what happens to packets between a house and others. The zero value is a fine day.
type Weather struct {
	Cut  []string // addresses or prefixes that nothing goes to or comes from
	Loss int      // percent of all other packets that are lost, each way
	Mute bool     // where nobody listens nobody answers, as if the power were off, instead of refusing
}

// Set makes it so in a house, in place of what was there before.
func (h *House) Set(w Weather) error {
	return h.Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(w.rules())
		return run(cmd)
	})
}

// rules is the weather in the words of nft(8). A table that is not there cannot be deleted, so it is added first.
func (w Weather) rules() string {
	var b strings.Builder
	b.WriteString("add table inet weather\ndelete table inet weather\nadd table inet weather\n")
	for hook, side := range map[string]string{"input": "saddr", "output": "daddr"} {
		fmt.Fprintf(&b, "add chain inet weather %s { type filter hook %s priority 0; policy accept; }\n", hook, hook)
		fmt.Fprintf(&b, "add rule inet weather %s meta l4proto != tcp accept\n", hook)
		for _, addr := range w.Cut {
			fmt.Fprintf(&b, "add rule inet weather %s ip %s %s drop\n", hook, side, addr)
		}
		if w.Loss > 0 {
			fmt.Fprintf(&b, "add rule inet weather %s numgen random mod 100 < %d drop\n", hook, w.Loss)
		}
	}
	if w.Mute { // a refusal has the sequence number 0, the reset of a connection has not
		b.WriteString("add rule inet weather output tcp flags & (rst | ack) == (rst | ack) tcp sequence 0 drop\n")
	}
	return b.String()
}

// Reset aborts the connections of the house that match a filter of ss(8), such as "dst 198.18.1.2:4711".
func (h *House) Reset(filter ...string) error {
	return h.Run("ss", append([]string{"-K", "-H", "-t", "-n"}, filter...)...)
}
