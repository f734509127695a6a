package peek

// An FD is the descriptor of a connected TCP socket that package net does not know. Its methods answer as the functions
// of the same name do.
type FD int

var _ Gauge = FD(0)

// Ended is the function of that name.
func (fd FD) Ended() (bool, error) { return ended(int(fd)) }

// Unsent is the function of that name.
func (fd FD) Unsent() (int, error) { return unsent(int(fd)) }

// Delivered is the function of that name.
func (fd FD) Delivered() (int64, error) { return delivered(int(fd)) }

// Vanished is the function of that name.
func (fd FD) Vanished() (bool, error) { return vanished(int(fd)) }

// Gone reports whether the peer has gone now, as [WaitGone] would: nil while it has not.
func (fd FD) Gone() error {
	g, err := look(int(fd))
	if err != nil {
		return err
	}
	return judgeGone(g)
}
