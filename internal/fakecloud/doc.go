// Package fakecloud is a provider of machines for tests, as rude as the real ones.
//
// A [Cloud] has machines with an address each. A machine is STOPPED, PENDING, RUNNING or STOPPING, and what is asked of
// it is only accepted: it comes about later, whatever becomes of whoever asked. A start while STOPPING is refused, and so
// is a stop while PENDING, unless the machine's [Plan] accepts it. RUNNING does not mean that anybody answers: the port
// opens when the application is up. A [Fault] makes a machine ruder still, for its next operation or now. Starting
// what runs and stopping what is stopped succeed and change nothing.
//
// The cloud is also the meter and the judge. Billed is every moment from an accepted start to STOPPED, boot and halt
// included, even of a boot that comes to nothing: the worst that a provider does. Needed is the part of it in which
// somebody wanted the machine ([Cloud.Need]) or had within the machine's allowance, or the machine itself was booting or
// halting. What is billed and not needed has leaked. The judge counts operations that overlap, stops that were asked for
// while a client was connected, bytes of ours that reached a stranger, and machines that were left running.
//
// Everything goes by package time and one listen function, so a cloud lives in a testing/synctest bubble on memnet as well
// as on loopback addresses. One mutex guards a cloud and is never held while waiting. The same seed and the same
// calls at the same times give the same faults.
package fakecloud
