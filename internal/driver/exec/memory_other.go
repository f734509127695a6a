//go:build !linux

package exec

import (
	"errors"
	"os"
)

func openMemory(string) (*os.File, error) { return nil, errors.ErrUnsupported }
