package relay

import (
	"fmt"
	"io"
	"testing"
)

// TestHalfCloseIsKept plays twelve cases: who ends its stream first, whether bytes are under way then, and how the
// other side answers after it has seen that end.
func TestHalfCloseIsKept(t *testing.T) {
	answers := map[string][]byte{"nothing": nil, "a line": []byte("so be it\n"), "three megabytes": noise(3 << 20)}
	for _, first := range []side{theClient, theBackend} {
		for under, sent := range map[string][]byte{"none": nil, "two megabytes": noise(2 << 20)} {
			for name, answer := range answers {
				t.Run(fmt.Sprintf("%v first, %s under way, answer %s", first, under, name), func(t *testing.T) {
					onEach(t, func(r *rig) { halfClose(r, first, sent, answer) })
				})
			}
		}
	}
}

func halfClose(r *rig, first side, sent, answer []byte) {
	it, other := r.of(first)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		r.write(it, sent)
		r.closeWrite(it)
	}()
	r.wantRead(other, sent, io.EOF)
	<-asked
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r.write(other, answer)
		r.closeWrite(other)
	}()
	r.wantRead(it, answer, io.EOF)
	<-answered
	r.wantEnd(EndClosed)
	counts := [2]int64{}
	counts[first], counts[first.other()] = int64(len(sent)), int64(len(answer))
	if got := [2]int64{r.res.Sent, r.res.Received}; got != counts {
		r.t.Errorf("the account says %v bytes (client's, backend's), want %v", got, counts)
	}
}

func TestAQuietCloseIsAnEndOfStream(t *testing.T) {
	for _, first := range []side{theClient, theBackend} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			onEach(t, func(r *rig) {
				it, other := r.of(first)
				sent := noise(10_000)
				r.write(it, sent)
				it.Close()
				r.wantRead(other, sent, io.EOF)
				other.Close()
				r.wantEnd(EndClosed)
			})
		})
	}
}

func TestBothEndingAtOnceIsQuiet(t *testing.T) {
	onEach(t, func(r *rig) {
		sent := noise(1 << 20)
		wrote := make(chan struct{})
		for _, c := range []Conn{r.client, r.backend} {
			go func() {
				r.write(c, sent)
				r.closeWrite(c)
				wrote <- struct{}{}
			}()
		}
		read := make(chan struct{})
		for _, c := range []Conn{r.client, r.backend} {
			go func() {
				r.wantRead(c, sent, io.EOF)
				read <- struct{}{}
			}()
		}
		for range 2 {
			<-wrote
			<-read
		}
		r.wantEnd(EndClosed)
	})
}
