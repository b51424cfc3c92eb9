package topology

// Nearest returns the candidate that a word was probably meant to be; false:
// none is near enough.
func Nearest(word string, candidates []string) (string, bool) { return nearest(word, candidates) }
