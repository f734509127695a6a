// Package threads makes the runtime start threads before they are needed. A thread that the system refuses ends a Go
// program, and it refuses them just when processes run out. Those that were started once are kept.
package threads

import (
	"runtime"
	"sync"
)

// Warm makes sure that n threads are there. It must run while the system still has some to give.
func Warm(n int) {
	var arrived, left sync.WaitGroup
	arrived.Add(n)
	all := make(chan struct{})
	for range n {
		left.Go(func() { occupy(&arrived, all) })
	}
	arrived.Wait()
	close(all)
	left.Wait()
}

// occupy holds a thread of its own until everybody has one.
func occupy(arrived *sync.WaitGroup, all <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	arrived.Done()
	<-all
}
