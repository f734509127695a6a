package gate

import "sync/atomic"

// A PauseMode says what becomes of new clients of a target.
type PauseMode int32

// The modes.
const (
	PauseOff    PauseMode = iota
	PauseRefuse           // they are refused
	PauseHold             // they wait, and neither wake it nor keep it awake
)

// String is what people write.
func (m PauseMode) String() string { return [...]string{"off", "refuse", "hold"}[m] }

// A Pause keeps new clients from a target while a person works on it: for a backup, say. Who is connected stays. A nil Pause is off.
type Pause struct{ mode atomic.Int32 }

// Set puts a mode in force.
func (p *Pause) Set(m PauseMode) { p.mode.Store(int32(m)) }

// Mode returns the one in force.
func (p *Pause) Mode() PauseMode {
	if p == nil {
		return PauseOff
	}
	return PauseMode(p.mode.Load())
}
