//go:build !linux

package target

import "time"

// suspended is for how long this machine has been suspended since it booted, as far as we know.
func suspended() time.Duration { return 0 }
