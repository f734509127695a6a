package relay

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/memnet"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// freed is when a side that vanishes with something under way must be given up at the latest.
const freed = 75 * time.Second

// TestAPeerThatVanishesIsFreed: what comes from the other side, bytes or an end, waits to be acknowledged for ever.
func TestAPeerThatVanishesIsFreed(t *testing.T) {
	for _, s := range []side{theClient, theBackend} {
		for name, send := range map[string]func(*rig, Conn){
			"bytes under way":      func(r *rig, c Conn) { r.write(c, noise(100)) },
			"more than finds room": func(r *rig, c Conn) { r.write(c, noise(2500)) },
			"an end under way":     func(r *rig, c Conn) { r.closeWrite(c) },
		} {
			t.Run(fmt.Sprint(s, " vanishes, ", name), func(t *testing.T) {
				onMemnet(t, Options{Stall: time.Hour}, 1000, func(r *rig) {
					it, other := r.of(s)
					sent := noise(500)
					r.write(it, sent)
					r.arrived(it)
					it.(*memnet.Conn).Vanish()
					send(r, other)
					r.wantEndBy(time.Now().Add(freed), ofReset(s))
					if !errors.Is(r.err, peek.ErrVanished) {
						t.Errorf("it ended with %v", r.err)
					}
					r.wantRead(other, sent, syscall.ECONNRESET)
				})
			})
		}
	}
}

// TestAPeerThatHalfClosedAndVanishesIsFreed: its end is passed on, as it was sent.
func TestAPeerThatHalfClosedAndVanishesIsFreed(t *testing.T) {
	onMemnet(t, Options{}, 0, func(r *rig) {
		sent := noise(500)
		r.write(r.client, sent)
		r.closeWrite(r.client)
		r.wantRead(r.backend, sent, io.EOF)
		r.client.(*memnet.Conn).Vanish()
		r.write(r.backend, noise(100))
		r.wantEndBy(time.Now().Add(freed), EndClientReset)
		r.wantBroken(r.backend)
	})
}

func TestAPeerThatDoesNotReadIsKept(t *testing.T) {
	onMemnet(t, Options{}, 1000, func(r *rig) {
		sent := noise(2500)
		r.write(r.backend, sent)
		time.Sleep(24 * time.Hour)
		r.closeWrite(r.backend)
		r.wantRead(r.client, sent, io.EOF)
		r.closeWrite(r.client)
		r.wantEnd(EndClosed)
	})
}
