//go:build !unix

package state

import "fmt"

// runSystemChild knows no role here.
func runSystemChild(role, _ string) error { return fmt.Errorf("no role %q", role) }
