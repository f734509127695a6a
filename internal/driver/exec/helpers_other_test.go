//go:build unix && !linux

package exec

var helpers = map[string]func(args []string) error{}
