package peek

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	unanswered = 4                // attempts in a row that nothing came back for
	backedOff  = 5                // doublings of the pause between attempts: more than 6 s
	quiet      = 8 * time.Second  // for which nothing came although attempts were made
	longest    = 10 * time.Second // that pause, where the kernel lets us say so
	rtoMax     = 44               // TCP_RTO_MAX_MS, of Linux 6.15
)

// vanished asks the kernel what it has been through (tcp(7), TCP_INFO).
//
// The pause between its attempts doubles up to two minutes. So few come in a minute for a peer that had no room for long and
// then vanishes, or whose first packet was lost, after which the pauses begin with three seconds (RFC 6298), that they prove
// nothing; so the pause is kept short. That a peer has no room, the kernel never gives up for, however short it is.
func vanished(fd int) (bool, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, os.NewSyscallError("getsockopt", err)
	}
	if info.Backoff >= backedOff || info.Backoff > 0 && silence(info) >= quiet {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, rtoMax, int(longest/time.Millisecond)) // an older kernel refuses
	}
	return silent(info), nil
}

// silent is the rule. Whatever comes from the peer sets all four counts back: the attempts are retransmissions, or probes
// of a peer without room or without news. A peer whose own bytes still arrive is there, even if it acknowledges none of ours.
func silent(info *unix.TCPInfo) bool {
	return int(info.Retransmits)+int(info.Probes) >= unanswered && silence(info) >= Silence
}

// silence is for how long nothing has come from the peer.
func silence(info *unix.TCPInfo) time.Duration {
	return time.Duration(min(info.Last_ack_recv, info.Last_data_recv)) * time.Millisecond
}
