package config

// The entries of who may put off a stop, and of what has failed. They are like those in file.go.

// A BusyEntry is a veto. It is asked when the cooldown is over, before the target is stopped.
type BusyEntry struct {
	// Program that says whether the target is busy, with any arguments: it exits with 0 if so, and with 1 or 3 if not. Any other
	// end says nothing, and counts as busy.
	Command Command `yaml:"command" example:"[/etc/rouse/backup-runs.sh]"`
	// In place of a program: path of a GET request to the target, by TLS if its probe is `tls` or `https`. It is busy if the answer is a success (200 to 299), and not with any
	// other answer, or if nobody listens. No answer in time counts as busy.
	HTTP Plain `yaml:"http" example:"/jobs/running"`
	// How long until it is asked again.
	Every Duration `yaml:"every" default:"1m"`
	// How long an answer may take.
	Timeout Duration `yaml:"timeout" default:"10s"`
	// For how long the stop may be put off, all in all. Then it is not asked any more.
	AtMost Duration `yaml:"at-most" default:"4h"`
}

// A RetryEntry says how what has failed is tried again.
type RetryEntry struct {
	// How long rouse waits after the first failure of a start or a stop. It doubles with each one that follows.
	Pause Duration `yaml:"pause" default:"1s"`
	// The longest that it becomes.
	LongestPause Duration `yaml:"longest-pause" default:"128s"`
	// How many starts in a row may fail while new clients are held through the pauses. After that a new client is refused until the
	// pause is over. Starts are tried again, then, for the next one who comes.
	RefuseAfter Number `yaml:"refuse-after" default:"3"`
}

// A CrashLoopEntry says when a target dies too often. A death is that it was ready, and is found not to be, without a stop of rouse's.
type CrashLoopEntry struct {
	// How many deaths are too many. 0 counts none.
	Deaths Number `yaml:"deaths" default:"0" example:"3"`
	// In which time.
	Within Duration `yaml:"within" default:"10m"`
	// For how long it is then not woken, counted from the last death. A hold by hand wakes it all the same.
	Pause Duration `yaml:"pause" default:"15m"`
}
