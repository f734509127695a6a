package wire

import (
	"slices"
	"testing"
)

func TestHeaderAndTallySurviveTheWire(t *testing.T) {
	for _, m := range []Mode{Echo, Sink, Check, Source, Reply} {
		got, n, ok := ParseHeader([HeaderLen]byte(Header(m, 1<<40+7)))
		if got != m || n != 1<<40+7 || !ok {
			t.Errorf("mode %c came back as %c, %d, %v", m, got, n, ok)
		}
	}
	if _, _, ok := ParseHeader([HeaderLen]byte(Header('x', 0))); ok {
		t.Error("an unknown mode was accepted")
	}
	if count, bad := ParseTally([TallyLen]byte(Tally(12, 34))); count != 12 || bad != 34 {
		t.Errorf("the tally came back as %d, %d", count, bad)
	}
}

func TestThePatternTellsWhatIsWrong(t *testing.T) {
	const off = 3*Period - 100
	good := slices.Concat(At(off, 65536), At(off+65536, 4096))
	if !Matches(off, good) {
		t.Fatal("the pattern does not match itself across its period")
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	swapped := slices.Concat(good[4096:8192], good[:4096], good[8192:])
	for name, bad := range map[string][]byte{
		"flipped": flipped, "swapped": swapped, "lost": good[1:], "doubled": slices.Concat(good[:4096], good),
	} {
		if Matches(off, bad) {
			t.Errorf("%s bytes were taken for good ones", name)
		}
	}
}
