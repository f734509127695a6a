package target

import "sync/atomic"

// The bits of a door's word above the count.
const (
	doorOpen uint64 = 1 << 63 // whoever comes may enter
	doorUsed uint64 = 1 << 62 // somebody has entered since the supervisor last read the word
)

// A door counts the holds that are out, and lets clients of a ready target in without
// a lock or a message. Everything is in one word, so whoever enters does so either
// before the supervisor shuts the door, and is in the count that it then reads, or not
// at all. While the door is shut the count can only fall, but for those whom the
// supervisor admits itself. It alone opens and shuts it.
type door struct {
	word  atomic.Uint64
	nudge chan struct{} // capacity 1: the count has left zero or come back to it
}

// enter counts one more hold, unless the door is shut.
func (d *door) enter() bool {
	for {
		old := d.word.Load()
		if old&doorOpen == 0 {
			return false
		}
		if d.word.CompareAndSwap(old, (old+1)|doorUsed) {
			if countOf(old) == 0 {
				d.tell()
			}
			return true
		}
	}
}

// leave counts one hold less.
func (d *door) leave() {
	if countOf(d.word.Add(^uint64(0))) == 0 {
		d.tell()
	}
}

// tell wakes the supervisor. It takes the nudge before it reads the count: a nudge
// that finds another one waiting has nothing to add.
func (d *door) tell() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

// held is how many holds are out at this moment.
func (d *door) held() int { return countOf(d.word.Load()) }

// look returns the count, and whether anybody has entered since the last look or shut:
// one who has come and gone in between leaves no other trace.
func (d *door) look() (held int, used bool) {
	old := d.word.And(^doorUsed)
	return countOf(old), old&doorUsed != 0
}

// shut lets nobody in any more, and returns what look does.
func (d *door) shut() (held int, used bool) {
	old := d.word.And(^(doorUsed | doorOpen))
	return countOf(old), old&doorUsed != 0
}

// open lets clients in.
func (d *door) open() {
	if d.word.Load()&doorOpen == 0 { // clients are not made to race with a write that changes nothing
		d.word.Or(doorOpen)
	}
}

// admit counts n holds more, and drop one less, for the supervisor, which knows.
func (d *door) admit(n int) { d.word.Add(uint64(n)) }
func (d *door) drop()       { d.word.Add(^uint64(0)) }

func countOf(word uint64) int { return int(word &^ (doorOpen | doorUsed)) }
