// Package netns makes small networks of network namespaces for tests on Linux: a hub, and hosts that reach it and nothing
// else, which can vanish at any moment without a word.
//
// The namespaces have no names. They live as long as the test's process, or what it has started there, and leave nothing
// behind even when that is killed.
package netns
