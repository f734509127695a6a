package loop

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Pipe carries bytes from one socket to another without showing them to us (splice(2)).
type Pipe struct {
	r, w int
	size int // bytes that it takes
	held int // bytes in it
}

// pipeSizes are tried from the largest: an unprivileged user may have 64 pipes of 1 MiB, and the administrator may
// forbid that size (pipe(7)). Size is what saves CPU: fewer turns for the same bytes.
var pipeSizes = [...]int{1 << 20, 256 << 10}

const (
	plainPipe  = 64 << 10 // as the kernel makes it; 8 KiB for a user who has very many
	sparePipes = 2        // that one loop keeps for the next bulk transfer
)

// pipeBudget is how many pipes the process may still make.
type pipeBudget struct{ left atomic.Int32 }

func (b *pipeBudget) take() bool {
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// TakePipe returns an empty pipe, or nil when there is none to be had: the caller copies then.
func (l *Loop) TakePipe() *Pipe {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p
	}
	if !l.group.pipes.take() {
		return nil
	}
	p := newPipe()
	if p == nil {
		l.group.pipes.left.Add(1)
	}
	return p
}

// GivePipe takes a pipe back. One with bytes in it is closed.
func (l *Loop) GivePipe(p *Pipe) {
	if p.held == 0 && len(l.pipes) < sparePipes {
		l.pipes = append(l.pipes, p)
		return
	}
	p.close()
	l.group.pipes.left.Add(1)
}

func newPipe() *Pipe {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil
	}
	p := &Pipe{r: fds[0], w: fds[1], size: plainPipe}
	for _, size := range pipeSizes {
		if n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size); err == nil {
			p.size = n
			return p
		}
	}
	if n, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0); err == nil {
		p.size = n
	}
	return p
}

func (p *Pipe) close() {
	Close(p.r)
	Close(p.w)
}

// Size is how many bytes the pipe takes.
func (p *Pipe) Size() int { return p.size }

// Held is how many bytes are in the pipe.
func (p *Pipe) Held() int { return p.held }

// Fill takes what a socket has: 0 and no error at the end of its stream. The pipe must be empty.
func (p *Pipe) Fill(fd int) (int, error) {
	n, err := splice(fd, p.w, p.size)
	p.held += n
	return n, err
}

// Empty gives what is in the pipe to a socket, as far as that has room.
func (p *Pipe) Empty(fd int) (int, error) {
	n, err := splice(p.r, fd, p.held)
	p.held -= n
	return n, err
}
