// Package wire is what the load generator and the backend of the benchmarks say to each
// other. A connection begins with a header of nine bytes: what the backend shall do, and a
// number. Bytes that are to be verified come from one fixed pattern, so that either side
// knows the byte that belongs at an offset. The pattern's period is a prime, so that a lost,
// doubled or swapped buffer of any usual size shows.
package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sync"
)

// Mode says what the backend does with a connection.
type Mode byte

// The modes. After the client's FIN, Sink and Check answer with a Tally and Reply with N
// bytes of the pattern; then they close. Check with an N does so after N bytes. Source sends N bytes of the pattern, without an
// end if N is zero.
const (
	Echo   Mode = 'E'
	Sink   Mode = 'S'
	Check  Mode = 'V'
	Source Mode = 'D'
	Reply  Mode = 'R'
)

// HeaderLen is the length of a header in bytes; TallyLen that of a tally.
const (
	HeaderLen = 9
	TallyLen  = 16
)

// Period is the length after which the pattern begins again; it is prime.
const Period = 1048573

// Header builds the nine bytes that begin a connection.
func Header(m Mode, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(m)}, n)
}

// ParseHeader reads what Header built. ok is false for an unknown mode.
func ParseHeader(h [HeaderLen]byte) (m Mode, n uint64, ok bool) {
	m = Mode(h[0])
	return m, binary.BigEndian.Uint64(h[1:]), bytes.IndexByte([]byte{'E', 'S', 'V', 'D', 'R'}, h[0]) >= 0
}

// Tally builds the answer to a half-closed Sink or Check: how many bytes came, and at how
// many reads they were not those of the pattern.
func Tally(count, bad uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, count), bad)
}

// ParseTally reads what Tally built.
func ParseTally(b [TallyLen]byte) (count, bad uint64) {
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// pattern holds two periods, so that up to one of them is contiguous from any offset.
var pattern = sync.OnceValue(func() []byte {
	var seed [32]byte
	copy(seed[:], "rouse benchmark pattern")
	b := make([]byte, Period, 2*Period)
	_, _ = rand.NewChaCha8(seed).Read(b)
	return append(b, b...)
})

// At gives the n bytes of the pattern from offset off, n at most Period. They are shared: do not write to them.
func At(off uint64, n int) []byte {
	start := int(off % Period)
	return pattern()[start : start+n]
}

// Matches reports whether b, of any length, is what the pattern holds from offset off.
func Matches(off uint64, b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), Period)
		if !bytes.Equal(b[:n], At(off, n)) {
			return false
		}
		b, off = b[n:], off+uint64(n)
	}
	return true
}
