package relay

import (
	"io"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestNoDescriptorIsLeftBehind(t *testing.T) {
	before := -1
	for round := range 30 {
		onKernel(t, Options{}, func(r *rig) {
			sent := noise(200 << 10)
			r.write(r.client, sent)
			switch round % 3 {
			case 0:
				r.closeWrite(r.client)
				r.wantRead(r.backend, sent, io.EOF)
				r.closeWrite(r.backend)
			case 1:
				r.reset(r.backend)
			case 2:
				r.cancel()
			}
			<-r.ended
		})
		if round == 2 { // by then the runtime has opened what it keeps
			before = settledFDs(t, 0)
		}
	}
	if after := settledFDs(t, before); after > before {
		t.Errorf("%d descriptors are open, %d were after the first rounds", after, before)
	}
}

// settledFDs counts the open descriptors once they are at most want, or do not become fewer any more: the runtime
// keeps the pipes of io.Copy until the garbage collector has run.
func settledFDs(t *testing.T, want int) (n int) {
	t.Helper()
	for range 50 {
		runtime.GC()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if n = len(entries); n <= want {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return n
}
