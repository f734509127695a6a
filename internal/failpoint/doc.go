// Package failpoint lets a test stop, fail or delay the program at a named point.
// Without the build tag "failpoint" a point is an empty function that the compiler
// removes. With it the environment variable ROUSE_FAILPOINT says what happens:
//
//	NAME=kill          the process gets SIGKILL there
//	NAME=error         the point returns an error; one that cannot return any panics
//	NAME=delay         the point takes two seconds
//	NAME=ACTION@N      the same at the N-th time in a process (the first, if N is missing)
//
// It happens once for all processes that share ROUSE_FAILPOINT_ONCE, a file that the one makes in which it happens.
// With ROUSE_FAILPOINT_LOG every point that is passed is appended to that file, a line
// each, so that a test knows which points there are.
package failpoint

import "errors"

// ErrInjected is what a point returns that was told to fail.
var ErrInjected = errors.New("a failpoint was told to fail here")
