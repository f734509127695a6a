package loop

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPipesAreBudgeted(t *testing.T) {
	g := made(t, Options{Loops: 2, Pipes: sparePipes + 2})
	a, b := g.Loops()[0], g.Loops()[1]
	var taken []*Pipe
	for range sparePipes + 2 {
		p := a.TakePipe()
		if p == nil {
			t.Fatalf("no pipe is left after %d", len(taken))
		}
		taken = append(taken, p)
	}
	if a.TakePipe() != nil || b.TakePipe() != nil {
		t.Error("one more than the budget")
	}
	for _, p := range taken {
		a.GivePipe(p)
	}
	if n := len(a.pipes); n != sparePipes {
		t.Errorf("%d pipes are kept, want %d", n, sparePipes)
	}
	p := b.TakePipe() // one that the other loop did not keep
	if p == nil {
		t.Fatal("what was given back cannot be taken")
	}
	b.GivePipe(p)
}

func TestNoPipesAtAll(t *testing.T) {
	l := made(t, Options{}).Loops()[0]
	if l.TakePipe() != nil {
		t.Error("a pipe without a budget")
	}
}

// TestNoPipeWithoutDescriptors: the budget is not used up by what could not be made.
func TestNoPipeWithoutDescriptors(t *testing.T) {
	l := made(t, Options{Pipes: 1}).Loops()[0]
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	p := l.TakePipe()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if p != nil {
		t.Error("a pipe without descriptors")
	}
	if p = l.TakePipe(); p == nil {
		t.Fatal("the budget is used up")
	}
	l.GivePipe(p)
}

func TestPipeWithBytesIsNotKept(t *testing.T) {
	l := made(t, Options{Pipes: 1}).Loops()[0]
	near, far := pair(t)
	say(t, far, "not for whoever comes next")
	p := l.TakePipe()
	if n, err := p.Fill(near); n == 0 || n != p.Held() || err != nil {
		t.Fatalf("filled with %d, %v", n, err)
	}
	l.GivePipe(p)
	if len(l.pipes) > 0 {
		t.Error("kept with bytes in it")
	}
	if p = l.TakePipe(); p == nil || p.Held() != 0 {
		t.Fatal("no pipe to be had")
	}
	l.GivePipe(p)
}

// TestPipeCarriesWhatFits, of a pipe of each size that there may be, and the end of the stream.
func TestPipeCarriesWhatFits(t *testing.T) {
	for _, size := range []int{4 << 10, plainPipe, 1 << 20} {
		l := made(t, Options{Pipes: 1}).Loops()[0]
		from, source := pair(t)
		to, sink := pair(t)
		p := l.TakePipe()
		n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, size)
		if err != nil {
			t.Fatal(err)
		}
		p.size = n
		text := strings.Repeat("0123456789", 1200)
		say(t, source, text)
		_ = Shutdown(source)
		var got strings.Builder
		for {
			n, err := p.Fill(from)
			if err != nil || n > size {
				t.Fatalf("filled with %d, %v", n, err)
			}
			if n == 0 {
				break
			}
			for p.Held() > 0 {
				if _, err := p.Empty(to); err != nil {
					t.Fatal(err)
				}
			}
			buf := make([]byte, len(text))
			m, err := Recv(sink, buf)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(buf[:m])
		}
		if got.String() != text {
			t.Errorf("size %d: %d bytes came through of %d", size, got.Len(), len(text))
		}
		l.GivePipe(p)
	}
}
