// Package cycles wakes and stops a machine of fakecloud again and again, under random clients and faults, and asks its meter
// and its judge after each run. It has no Go code but tests.
//
// A virtual cycle runs in a testing/synctest bubble: the real supervisor, prober and listener on a network in memory. A
// real one is the whole daemon on loopback, whose hooks are the fakecloud command. Either begins with a machine that is
// down, lets clients come and go, and has ended when the machine is down again. What is asserted of all of them:
//
//   - no stop is asked for while a client is connected, and no two operations on a machine overlap;
//   - a client is served byte for byte, or its connection is reset: it never sees a clean end too early;
//   - every client is told within a bound, and after the last one the machine goes down within a bound;
//   - no byte of a client gets to a stranger at an old address;
//   - seconds billed are at most 1.05 times the seconds needed, in a run of some length;
//   - the trace keeps the promises that package trace knows.
//
// CYCLES is the number of virtual cycles, REAL_CYCLES that of real ones, and SEED the first of the seeds. A failure prints
// what replays it.
package cycles
