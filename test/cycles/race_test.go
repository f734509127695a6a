//go:build race

package cycles

const raced = true
