//go:build linux

// Command chaos lets rouse live through rounds of chaos, and judges it. Run it with `make chaos`, as root.
//
// A round is a town in a cell of its own: a provider with one machine (fakecloud), the real rouse, clients of several
// kinds who check every byte, and nemeses that kill, freeze, cut, lose, fill and starve. When all is healed, judges speak:
// the provider's meter, the checker of rouse's trace, the clients, the log. Everything that happens in a round follows
// from the seed and the round's number; only the timing does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/test/chaos/internal/cell"
)

func main() {
	cell.Main(work)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run is the whole command; it returns the exit code.
func run(ctx context.Context, args []string) int {
	s, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	b := newBulletin(os.Stdout, s)
	sum, err := s.play(ctx, b.round, b.say)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 1
	}
	b.summary(sum)
	switch {
	case sum.failed():
		return 1
	case ctx.Err() != nil:
		return 130
	}
	return 0
}

// settings are what the command line says.
type settings struct {
	seed   uint64
	first  int
	rounds int
	towns  int
	race   bool
	keep   bool
	talk   bool
	dir    string
	limit  time.Duration
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.Uint64Var(&s.seed, "seed", 0, "of everything that happens; 0 draws one")
	f.IntVar(&s.rounds, "rounds", 100, "how many rounds")
	f.IntVar(&s.first, "first", 1, "number of the first round")
	f.IntVar(&s.towns, "towns", min(4*runtime.NumCPU(), 16), "rounds at a time; most of a round is waiting")
	f.BoolVar(&s.race, "race", false, "build rouse with the race detector")
	f.BoolVar(&s.keep, "keep", false, "keep what every round leaves, not only the bad ones")
	f.BoolVar(&s.talk, "talk", false, "tell what happens in each round as it happens")
	f.StringVar(&s.dir, "dir", "", "where to work and to keep (default: a new one among the temporary files)")
	f.DurationVar(&s.limit, "limit", 6*time.Minute, "how long a round may take")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.rounds < 1 || s.towns < 1 || s.first < 0 {
		err := errors.New("chaos takes flags only, and counts from 1")
		fmt.Fprintln(os.Stderr, err)
		return s, err
	}
	if s.seed == 0 {
		s.seed = rand.Uint64N(1e9) + 1 // short enough to be typed
	}
	return s, nil
}
