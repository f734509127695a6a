//go:build !linux && !darwin

package peek

import "errors"

func look(int) (glance, error)     { return glance{}, errors.ErrUnsupported }
func unsent(int) (int, error)      { return 0, errors.ErrUnsupported }
func delivered(int) (int64, error) { return 0, errors.ErrUnsupported }
func ended(int) (bool, error)      { return false, errors.ErrUnsupported }
func vanished(int) (bool, error)   { return false, errors.ErrUnsupported }
