package relay

import "testing"

// TestASmallPipeIsNeverWaitedFor: it takes less at a time than what is waited for, so all that came would wait out the
// timer.
func TestASmallPipeIsNeverWaitedFor(t *testing.T) {
	k := &Link{}
	from := k.at(theClient)
	from.set(readable | bulk)
	for range 3 * lumpsBulk {
		k.weigh(theClient, 64<<10, false)
	}
	if from.gather != nil || !from.is(readable) {
		t.Error("the bytes of a small pipe gather")
	}
}
