// Package crash breaks the whole program at each of its failpoints, and has fakecloud and the trace's checker judge what
// comes of it.
package crash
