package exec

import (
	"encoding/base64"
	"time"
)

// planFormat tells the plans and messages of one rouse from those of another, whose program may have taken the place of
// ours where the system cannot start the one that runs.
const planFormat = 1

// A plan is what a keeper is to do. It goes over a socket: neither arguments nor
// environment of a keeper tell anybody what the hook gets.
type plan struct {
	Event string        `json:"event"`
	Epoch uint64        `json:"epoch"`
	Argv  []raw         `json:"argv"`
	Env   []raw         `json:"env"`
	Grace time.Duration `json:"grace"`

	// The deadline as the clock says it is for the record; the keeper goes by Left,
	// whatever is done to the clock.
	Deadline time.Time     `json:"deadline,omitzero"` // zero: none
	Left     time.Duration `json:"left"`

	Logged bool  `json:"logged"` // the output goes to the file that the next rouse can read
	LogAt  int64 `json:"log_at"`

	Record  raw  `json:"record"`  // path of the record of the running hook
	Outcome raw  `json:"outcome"` // path of the result
	Result  raw  `json:"result"`  // path in ROUSE_OUTPUT; empty: none
	Locked  bool `json:"locked"`  // the keeper has the lock, as descriptor lockFD
}

// A raw is a path or a variable: any bytes, where JSON replaces what is not UTF-8.
type raw string

func (r raw) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, []byte(r)), nil
}

func (r *raw) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	*r = raw(b)
	return err
}

// converted turns strings into raws, and back.
func converted[To, From ~string](list []From) []To {
	out := make([]To, len(list))
	for i, s := range list {
		out[i] = To(s)
	}
	return out
}

// An order is what rouse tells a keeper after the plan: to end the hook.
type order struct {
	Cause string `json:"cause"`
}

// A message is what a keeper tells rouse. Of all but Err one field is set.
type message struct {
	Ready   int      `json:"ready,omitempty"`   // waits for a plan of this format; nothing was started
	PID     int      `json:"pid,omitempty"`     // the hook runs
	Stuck   bool     `json:"stuck,omitempty"`   // the hook could not be ended; the keeper waits on
	Outcome *outcome `json:"outcome,omitempty"` // the hook has ended, and the lock is free
	Warning string   `json:"warning,omitempty"` // for the log, because of Err
	Err     string   `json:"err,omitempty"`
}
