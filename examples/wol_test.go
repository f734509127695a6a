//go:build unix

package examples

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pingMain stands in for ping: each look brings the machine on.
func pingMain(args []string) int {
	if len(args) != 6 || !slices.Equal(args[:3], []string{"-n", "-c", "1"}) || args[5] != "127.0.0.1" {
		return unexpected("ping %q", args)
	}
	return withMachine(func(m *machine) int {
		m.tick()
		switch m.State {
		case "up":
			return 0
		case "down":
			return 1
		}
		return 2
	})
}

// sshMain stands in for ssh to a machine that falls asleep soon after it is told to.
func sshMain(args []string) int {
	where := slices.Index(args, "--")
	if where < 0 || !slices.Contains(args, "BatchMode=yes") || !slices.Contains(args, "-n") {
		return unexpected("ssh %q", args)
	}
	return withMachine(func(m *machine) int {
		m.Calls = append(m.Calls, strings.Join(args[where+1:], " "))
		switch fault := m.Fail["ssh"]; fault {
		case "password":
			fmt.Fprintln(os.Stderr, "rouse@127.0.0.1: Permission denied (publickey).")
			return 255
		case "sudo":
			fmt.Fprintln(os.Stderr, "sudo: a password is required")
			return 1
		case "unreachable":
			fmt.Fprintln(os.Stderr, "ssh: connect to host 127.0.0.1 port 22: Connection refused")
			return 255
		case "cut off":
			m.turn("up", "down", 2)
			fmt.Fprintln(os.Stderr, "Timeout, server 127.0.0.1 not responding.")
			return 255
		}
		m.turn("up", "down", 3)
		return 0
	})
}

// wakeonlanMain sends what wakeonlan sends.
func wakeonlanMain(args []string) int {
	if len(args) != 5 || args[0] != "-i" || args[2] != "-p" {
		return unexpected("wakeonlan %q", args)
	}
	mac, err := net.ParseMAC(args[4])
	if err != nil {
		return unexpected("%v", err)
	}
	c, err := net.Dial("udp", net.JoinHostPort(args[1], args[3]))
	if err != nil {
		return unexpected("%v", err)
	}
	defer c.Close()
	if _, err := c.Write(magicPacket(mac)); err != nil {
		return unexpected("%v", err)
	}
	return 0
}

// etherwakeMain only notes how it was called: a raw Ethernet frame needs root.
func etherwakeMain(args []string) int {
	return withMachine(func(m *machine) int {
		m.Calls = append(m.Calls, "etherwake "+strings.Join(args, " "))
		return 0
	})
}

// magicPacket is six bytes of ones and sixteen times the address: 102 bytes.
func magicPacket(mac net.HardwareAddr) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(mac, 16)...)
}

// testMAC holds the bytes that a shell may trip over: end of line, zero, percent.
var testMAC = net.HardwareAddr{0x52, 0x0a, 0x00, 0x25, 0x5c, 0xff}

// newWOL prepares the hooks for a machine on the loopback, and a socket that gets the
// magic packets.
func newWOL(t *testing.T, m machine, names ...string) (*kit, net.PacketConn) {
	k := newKit(t, "wol", append(names, "ping", "ssh")...)
	card, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { card.Close() })
	k.env["WOL_MAC"], k.env["WOL_BROADCAST"] = strings.ToUpper(testMAC.String()), "127.0.0.1"
	k.env["WOL_PORT"] = strconv.Itoa(card.LocalAddr().(*net.UDPAddr).Port)
	k.keep(t, m)
	return k, card
}

// wantPackets reads n packets that the hook has sent already.
func wantPackets(t *testing.T, card net.PacketConn, n int) {
	t.Helper()
	buf := make([]byte, 2000)
	for i := range n {
		if err := card.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		size, _, err := card.ReadFrom(buf)
		if err != nil {
			t.Fatalf("packet %d of %d: %v", i+1, n, err)
		}
		if want := magicPacket(testMAC); len(want) != 102 || !bytes.Equal(buf[:size], want) {
			t.Fatalf("packet %d is %s", i+1, hex.EncodeToString(buf[:size]))
		}
	}
}

func TestWOLWakesAMachineThatMissesTheFirstPackets(t *testing.T) {
	t.Parallel()
	for _, sender := range []string{"", "wakeonlan", "python3", "perl", "bash"} {
		t.Run("sent by "+sender, func(t *testing.T) {
			t.Parallel()
			k, card := newWOL(t, machine{State: "down", Next: "up", Left: 3}, "wakeonlan")
			if sender != "" && sender != "wakeonlan" {
				needs(t, sender)
			}
			k.env["WOL_SENDER"] = sender
			k.want(t, "start", 0)
			wantPackets(t, card, 3)
			k.want(t, "start", 0)
			wantPackets(t, card, 1)
			k.want(t, "status", 0)
		})
	}
}

func TestWOLSendsARawFrameWithEtherwake(t *testing.T) {
	t.Parallel()
	k, _ := newWOL(t, machine{State: "up"}, "etherwake")
	k.env["WOL_SENDER"], k.env["WOL_INTERFACE"] = "etherwake", "br0"
	k.want(t, "start", 0)
	k.wantCalls(t, "etherwake -b -i br0 52:0A:00:25:5C:FF")
}

func TestWOLThatDoesNotWakeIsTriedAgain(t *testing.T) {
	t.Parallel()
	k, card := newWOL(t, machine{State: "down"}, "wakeonlan")
	k.env["WOL_WAIT"] = "0"
	k.want(t, "start", 75, "did not answer", "ethtool")
	wantPackets(t, card, 1)
}

func TestWOLPutsAMachineToSleep(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{"in order": "", "ssh is cut off": "cut off"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, _ := newWOL(t, machine{State: "up", Fail: map[string]string{"ssh": fault}})
			k.env["WOL_SSH"], k.env["WOL_SLEEP"] = "rouse@nas", "sudo -n systemctl poweroff"
			k.want(t, "status", 0)
			k.want(t, "stop", 0)
			if m := k.machine(t); m.State != "down" {
				t.Errorf("stop returned while the machine was %s", m.State)
			}
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.wantCalls(t, "rouse@nas sudo -n systemctl poweroff")
		})
	}
}

func TestWOLSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hook, state, fault string
		code               int
		text               string
	}{
		{"stop", "up", "password", 1, "log in with a key"},
		{"stop", "up", "sudo", 1, "sudo needs"},
		{"stop", "up", "unreachable", 75, "still answers"},
		{"stop", "unknown", "", 1, "does the name resolve"},
		{"start", "unknown", "", 1, "does the name resolve"},
		{"status", "unknown", "", 1, "does the name resolve"},
	} {
		t.Run(strings.Join([]string{test.hook, test.state, test.fault}, " "), func(t *testing.T) {
			t.Parallel()
			k, _ := newWOL(t, machine{State: test.state, Fail: map[string]string{"ssh": test.fault}}, "wakeonlan")
			k.env["WOL_WAIT"] = "0"
			k.want(t, test.hook, test.code, test.text)
		})
	}
}

// A refused connection comes from a machine that is up; silence does not.
func TestWOLLooksByConnection(t *testing.T) {
	t.Parallel()
	needs(t, "timeout")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	k, _ := newWOL(t, machine{State: "unknown"})
	k.env["WOL_CHECK"], k.env["WOL_CHECK_PORT"] = "tcp", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	k.want(t, "status", 0)
	ln.Close()
	k.want(t, "status", 0)
	k.env["WOL_CHECK_PORT"] = "nonesuch"
	k.want(t, "status", 1, "cannot tell")

	silent, _ := newWOL(t, machine{State: "unknown"}, "timeout")
	silent.env["WOL_CHECK"] = "tcp"
	silent.want(t, "status", 3)
}

func TestWOLRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, value, hook, text string }{
		{"WOL_MAC", "", "start", "WOL_MAC must be"},
		{"WOL_MAC", "52:54:00:12:34", "start", "WOL_MAC must be"},
		{"WOL_MAC", "52:54:00:12:34:zz", "start", "WOL_MAC must be"},
		{"WOL_SENDER", "pigeon", "start", "WOL_SENDER must be"},
		{"WOL_CHECK", "smell", "status", "WOL_CHECK must be"},
	} {
		k, _ := newWOL(t, machine{State: "up"}, "wakeonlan")
		k.env[test.name] = test.value
		k.want(t, test.hook, 1, test.text)
	}
}

// The samples in common.sh name no machine of ours: a hook that is run as it is must
// not reach anything.
func TestWOLHostIsThatOfTheTarget(t *testing.T) {
	t.Parallel()
	k, _ := newWOL(t, machine{State: "up"})
	k.want(t, "stop", 0)
	k.wantCalls(t, "127.0.0.1 sudo -n systemctl suspend")
	cmd := exec.CommandContext(t.Context(), "./status.sh")
	cmd.Dir, cmd.Env = k.dir, []string{"PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "set WOL_HOST") {
		t.Errorf("without an address: %v\n%s", err, out)
	}
}
