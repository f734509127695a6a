//go:build !unix

package trace

const openFlags = 0
