package topology

import (
	"strconv"
	"unicode/utf8"
)

// nearest returns the candidate that a word was probably meant to be: at most
// two slips away, one for short words.
func nearest(word string, candidates []string) (string, bool) {
	if utf8.RuneCountInString(word) > 40 {
		return "", false
	}
	best, bestDistance := "", 3
	for _, c := range candidates {
		limit := 2
		if min(len(word), len(c)) < 5 {
			limit = 1
		}
		if d := slips(word, c); d > 0 && d <= limit && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best, best != ""
}

// slips counts the letters to insert, leave out, replace or swap with their
// neighbour that make b of a (optimal string alignment).
func slips(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}

// show quotes what a file says for a message, and shortens it.
func show(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}
