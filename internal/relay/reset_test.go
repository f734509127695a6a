package relay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// ofReset is the end of a relay whose side s was reset.
func ofReset(s side) End { return [...]End{EndClientReset, EndBackendReset}[s] }

// TestResetsArePassedOn plays eight cases: who resets, and at which point.
func TestResetsArePassedOn(t *testing.T) {
	for _, s := range []side{theClient, theBackend} {
		for name, play := range map[string]func(r *rig, it, other Conn){
			"idle":                         resetIdle,
			"behind bytes":                 resetBehindBytes,
			"after its own end of stream":  resetAfterOwnEnd,
			"after the other's end stream": resetAfterOthersEnd,
		} {
			t.Run(fmt.Sprintf("%v %s", s, name), func(t *testing.T) {
				onEach(t, func(r *rig) {
					began := time.Now()
					it, other := r.of(s)
					play(r, it, other)
					r.wantEndBy(began.Add(time.Second), ofReset(s))
				})
			})
		}
	}
}

func resetIdle(r *rig, it, other Conn) {
	r.reset(it)
	r.wantRead(other, nil, syscall.ECONNRESET)
}

func resetBehindBytes(r *rig, it, other Conn) {
	sent := noise(128 << 10)
	r.write(it, sent)
	r.arrived(it) // a reset takes back what has not
	r.reset(it)
	r.wantRead(other, sent, syscall.ECONNRESET)
}

func resetAfterOwnEnd(r *rig, it, other Conn) {
	sent := noise(128 << 10)
	r.write(it, sent)
	r.closeWrite(it)
	r.wantRead(other, sent, io.EOF)
	r.reset(it)
	r.wantBroken(other)
}

func resetAfterOthersEnd(r *rig, it, other Conn) {
	sent := noise(128 << 10)
	r.write(other, sent)
	r.closeWrite(other)
	r.wantRead(it, sent, io.EOF)
	r.reset(it)
	r.wantRead(other, nil, syscall.ECONNRESET)
}

// A server that answers before it has read the request, and closes: its answer arrives whole and ends as it was ended,
// and the client that goes on sending learns that nobody listens.
func TestAnEarlyAnswerArrivesWholeThoughTheUploadGoesOn(t *testing.T) {
	for _, s := range []side{theClient, theBackend} {
		t.Run(fmt.Sprintf("%v answers", s), func(t *testing.T) {
			onEach(t, func(r *rig) {
				it, other := r.of(s)
				uploaded := make(chan error)
				go func() { uploaded <- upload(other) }()
				if _, err := io.ReadFull(it, make([]byte, 100)); err != nil {
					t.Error(err)
				}
				answer := noise(40 << 10)
				r.write(it, answer)
				r.closeWrite(it)
				r.arrived(it)
				it.Close()
				r.wantRead(other, answer, io.EOF)
				if err := <-uploaded; !isReset(err) {
					t.Errorf("the upload ended with %v, want a reset", err)
				}
				r.wantEnd(ofReset(s))
			})
		})
	}
}

func TestAnEarlyAnswerArrivesWholeThoughItsReaderIsSlow(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		uploaded := make(chan error)
		go func() { uploaded <- upload(r.client) }()
		if _, err := io.ReadFull(r.backend, make([]byte, 100)); err != nil {
			t.Error(err)
		}
		answer := noise(3500) // more than the client's buffers take while it does not read
		r.write(r.backend, answer)
		r.closeWrite(r.backend)
		r.arrived(r.backend)
		r.backend.Close()
		time.Sleep(3 * time.Second)
		r.wantRead(r.client, answer, io.EOF)
		if err := <-uploaded; !isReset(err) {
			t.Errorf("the upload ended with %v, want a reset", err)
		}
		r.wantEnd(EndBackendReset)
	})
}

// upload writes until that fails.
func upload(c Conn) error {
	chunk := noise(32 << 10)
	for {
		if _, err := c.Write(chunk); err != nil {
			return err
		}
	}
}

// The system tells a reset once, and the upload may be the one that is told: the answer, cut short, then seems to end.
func TestAnAnswerCutByAResetNeverEndsAsIfWhole(t *testing.T) {
	for i := range 100 {
		play := func(r *rig) {
			uploaded := make(chan error, 1)
			go func() { uploaded <- upload(r.client) }()
			if _, err := io.ReadFull(r.backend, make([]byte, 100)); err != nil {
				t.Error(err)
			}
			r.write(r.backend, noise(i*1000))
			r.reset(r.backend)
			_, readErr := io.Copy(io.Discard, r.client)
			uploadErr := <-uploaded
			if readErr == nil && !errors.Is(uploadErr, syscall.ECONNRESET) {
				t.Errorf("the client saw a clean end of a cut answer; its upload ended with %v", uploadErr)
			}
			r.wantEnd(EndBackendReset)
		}
		onKernel(t, Options{}, play)
		onMemnet(t, Options{}, 0, play)
	}
}

func TestAResetIsSeenThoughTheOtherSideDoesNotRead(t *testing.T) {
	for _, s := range []side{theClient, theBackend} {
		opts := Options{Watch: 20 * time.Millisecond, Stall: 50 * time.Millisecond}
		play := func(r *rig) {
			it, other := r.of(s)
			sent := r.fill(it)
			r.reset(it)
			r.wantEnd(ofReset(s))
			n, err := io.Copy(io.Discard, other)
			if !isReset(err) || n > int64(sent) {
				t.Errorf("the other side read %d of %d bytes and then %v, want a reset", n, sent, err)
			}
		}
		t.Run(fmt.Sprint(s, "/kernel"), func(t *testing.T) { onKernel(t, opts, play) })
		t.Run(fmt.Sprint(s, "/memnet"), func(t *testing.T) { onMemnet(t, Options{}, 0, play) })
	}
}

func TestASlowReaderGetsAllThatCameBeforeAReset(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		r.write(r.backend, noise(3000))
		time.Sleep(time.Second)
		r.arrived(r.backend)
		r.reset(r.backend)
		got := 0
		for buf := make([]byte, 50); ; {
			time.Sleep(4 * time.Second) // within Stall, and far beyond it in all
			n, err := r.client.Read(buf)
			got += n
			if err != nil {
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("reading ended with %v, want ECONNRESET", err)
				}
				break
			}
		}
		if got != 3000 {
			t.Errorf("%d bytes were read, want 3000", got)
		}
		r.wantEnd(EndBackendReset)
	})
}

func TestAReaderThatTakesNothingAfterAFailureIsCutOff(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		r.write(r.backend, noise(3000))
		r.arrived(r.backend)
		r.reset(r.backend)
		reset := time.Now()
		r.wantEnd(EndBackendReset)
		if took := r.res.Ended.Sub(reset); took > defaultWatch+2*defaultStall {
			t.Errorf("it took %v", took)
		}
		n, err := io.Copy(io.Discard, r.client)
		if n != 1000 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client read %d bytes and then %v, want the 1000 in its buffer and ECONNRESET", n, err)
		}
	})
}

func TestAnEndOfStreamTowardAResetSideShowsTheReset(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		r.write(r.backend, noise(3500))
		r.arrived(r.backend)
		r.reset(r.backend) // behind bytes that the client does not read: not seen yet
		r.closeWrite(r.client)
		r.wantEndBy(time.Now().Add(defaultStall+time.Second), EndBackendReset)
	})
}

func TestAnEndOfTheContextDoesNotHideTheFailureBeforeIt(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		r.write(r.backend, noise(3500))
		r.arrived(r.backend)
		r.reset(r.backend)
		time.Sleep(defaultWatch + defaultStall/2) // seen, and the client not yet given up
		r.cancel()
		r.wantEndBy(time.Now(), EndBackendReset)
	})
}

func TestTheDeathOfTheSideThatLivedEndsTheWait(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		r.write(r.backend, noise(3500))
		r.arrived(r.backend)
		r.reset(r.backend)
		time.Sleep(defaultWatch + defaultStall/2) // as above
		r.reset(r.client)
		r.wantEndBy(time.Now().Add(time.Second), EndBackendReset)
	})
}

func TestBothResetAtOnce(t *testing.T) {
	onEach(t, func(r *rig) {
		by := time.Now().Add(time.Second)
		r.reset(r.client)
		r.reset(r.backend)
		<-r.ended
		if r.inside && r.res.Ended.After(by) {
			t.Errorf("it ended %v too late", r.res.Ended.Sub(by))
		}
		if r.res.End != EndClientReset && r.res.End != EndBackendReset {
			t.Errorf("it ended as %q, want a reset", r.res.End)
		}
	})
}

func TestTheErrorOfAResetNamesTheSide(t *testing.T) {
	onEach(t, func(r *rig) {
		r.reset(r.backend)
		r.wantEnd(EndBackendReset)
		if !errors.Is(r.err, syscall.ECONNRESET) {
			t.Errorf("the error is %v, want ECONNRESET in it", r.err)
		}
		se, ok := errors.AsType[*os.SyscallError](r.err)
		if want := fmt.Sprintf("relaying: backend: %v", se); !ok || r.err.Error() != want {
			t.Errorf("the error reads %q, want %q", r.err, want)
		}
	})
}
