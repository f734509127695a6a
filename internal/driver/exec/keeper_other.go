//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package exec

import "context"

// RunKeeper does nothing here: hooks have no keepers.
func RunKeeper() {}

func keeperPath() (string, error) { return "", nil }

func (d *Driver) keep(context.Context, job, claimed) (left, error) { return left{}, errNoKeeper }
