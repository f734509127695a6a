package config

import "strings"

// Nearest returns the candidate that somebody who wrote word most likely meant: one
// that it begins or that begins it, else the one with the fewest wrong, missing, extra
// or swapped letters. It returns "" when none is near. Case and leading dashes do not
// count; of equally near candidates the first is returned.
func Nearest(word string, candidates []string) string {
	word = plainWord(word)
	if len(word) < 2 || len(word) > 64 {
		return ""
	}
	best, least := "", 1+max(1, len(word)/3)
	for _, c := range candidates {
		plain := plainWord(c)
		d := distance(word, plain)
		if d > 0 && (strings.HasPrefix(plain, word) || len(plain) >= 3 && strings.HasPrefix(word, plain)) {
			d = 1
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

// plainWord returns a word as Nearest compares it.
func plainWord(word string) string {
	return strings.ToLower(strings.TrimLeft(word, "-"))
}

// distance is the number of letters to change, add, remove or swap with the next to
// get from a to b (optimal string alignment), counted in bytes.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
