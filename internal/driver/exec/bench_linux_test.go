package exec

import "testing"

// BenchmarkHook is what a hook that does nothing costs, with a keeper and without.
func BenchmarkHook(b *testing.B) {
	for _, keeper := range []string{selfPath, ""} {
		name := "kept"
		if keeper == "" {
			name = "direct"
		}
		b.Run(name, func(b *testing.B) {
			d := benchDriver(b)
			d.keeper = keeper
			for b.Loop() {
				if err := d.Stop(b.Context(), anOp); err != nil {
					b.Fatal(err)
				}
			}
			d.reapers.Wait()
		})
	}
}

func benchDriver(b *testing.B) *Driver {
	b.Helper()
	d, err := New(Options{Target: "web", Stem: "web", Dir: b.TempDir(), Start: []string{"/bin/true"}, Stop: []string{"/bin/true"}})
	if err != nil {
		b.Fatal(err)
	}
	return d
}
