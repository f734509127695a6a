package exec

import "time"

// A plan is what a keeper is to do. It goes over a socket: neither arguments nor
// environment of a keeper tell anybody what the hook gets.
type plan struct {
	Event string        `json:"event"`
	Epoch uint64        `json:"epoch"`
	Argv  []string      `json:"argv"`
	Env   []string      `json:"env"`
	Grace time.Duration `json:"grace"`

	// The deadline as the clock says it is for the record; the keeper goes by Left,
	// whatever is done to the clock.
	Deadline time.Time     `json:"deadline,omitzero"` // zero: none
	Left     time.Duration `json:"left"`

	Logged bool  `json:"logged"` // the output goes to the file that the next rouse can read
	LogAt  int64 `json:"log_at"`

	Record  string `json:"record"`  // path of the record of the running hook
	Outcome string `json:"outcome"` // path of the result
	Result  string `json:"result"`  // path in ROUSE_OUTPUT; empty: none
	Locked  bool   `json:"locked"`  // the keeper has the lock as its second descriptor
}

// An order is what rouse tells a keeper after the plan: to end the hook.
type order struct {
	Cause string `json:"cause"`
}

// A message is what a keeper tells rouse. Of all but Err one field is set.
type message struct {
	Ready   bool     `json:"ready,omitempty"`   // waits for the plan; nothing was started
	PID     int      `json:"pid,omitempty"`     // the hook runs
	Stuck   bool     `json:"stuck,omitempty"`   // the hook could not be ended; the keeper waits on
	Outcome *outcome `json:"outcome,omitempty"` // the hook has ended, and the lock is free
	Warning string   `json:"warning,omitempty"` // for the log, because of Err
	Err     string   `json:"err,omitempty"`
}
