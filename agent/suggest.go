package agent

// nearest returns what a word was probably meant to be: at most two slips away, one
// for short words; "" where nothing is.
func nearest(word string, candidates []string) string {
	if len(word) > 40 {
		return ""
	}
	best, fewest := "", 3
	for _, c := range candidates {
		limit := 2
		if min(len(word), len(c)) < 5 {
			limit = 1
		}
		if n := slips(word, c); n <= limit && n < fewest {
			best, fewest = c, n
		}
	}
	return best
}

// slips counts the letters to insert, leave out, replace or swap with their neighbour
// that make b of a.
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// orNearest is a mend that begins with what was probably meant.
func orNearest(word string, candidates []string, mend string) string {
	if near := nearest(word, candidates); near != "" {
		return "did you mean " + near + "? Else " + mend
	}
	return mend
}
