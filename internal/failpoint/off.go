//go:build !failpoint

package failpoint

// On says whether points do anything in this build: where a name must be composed, ask it first.
const On = false

// Hit does nothing in this build.
func Hit(string) error { return nil }

// Pass does nothing in this build.
func Pass(string) {}

// Env is empty in this build.
func Env() []string { return nil }
