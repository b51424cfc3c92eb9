package topology

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the words in a file.
const (
	maxName       = 63
	maxNodeID     = 253
	maxLabelKey   = 63
	maxLabelValue = 128
)

// CheckName says what is wrong with the name of a pool or a service; nil:
// nothing. A name begins with a letter and has lower-case
// letters, digits and `-`, at most 63.
func CheckName(name string) error { return plain(nameFault(name)) }

// CheckClusterName says what is wrong with a cluster's name; nil: nothing. It
// stands as a host in certificates, so it is lower-case letters, digits, `-` and
// `.`, a letter or digit at both ends and beside each `.`, at most 63.
func CheckClusterName(name string) error { return plain(clusterFault(name)) }

// CheckNodeID says what is wrong with a node's id; nil: nothing. An id begins
// with a letter or digit and has lower-case letters, digits, `-`, `_` and `.`,
// at most 253, so that a host's name is one.
func CheckNodeID(id string) error { return plain(nodeIDFault(id)) }

func plain(message, mend string) error {
	if message == "" {
		return nil
	}
	return errors.New(message + ": " + mend)
}

func nameFault(name string) (message, mend string) {
	const rule = "a name has lower-case letters, digits and `-`, begins with a letter and ends with a letter or digit"
	switch {
	case name == "":
		return "the name is empty", "write a name, as mailbox-1"
	case len(name) > maxName:
		return fmt.Sprintf("the name has %d characters; %d are allowed", utf8.RuneCountInString(name), maxName), "shorten it"
	}
	if message, mend := foreign(name, ""); message != "" {
		return message, mend
	}
	if name[0] < 'a' || name[0] > 'z' || strings.HasSuffix(name, "-") {
		return fmt.Sprintf("%s is no name: %s", show(name), rule), "begin with a letter, and end without `-`"
	}
	return "", ""
}

func clusterFault(name string) (message, mend string) {
	switch {
	case name == "":
		return "the cluster's name is empty", "write a name, as example-mail"
	case len(name) > maxName:
		return fmt.Sprintf("the cluster's name has %d characters; %d are allowed", utf8.RuneCountInString(name), maxName), "shorten it"
	}
	if message, mend := foreign(name, "."); message != "" {
		return message, mend
	}
	const edges = "-."
	if strings.Trim(name, edges) != name || strings.Contains(name, "..") || strings.Contains(name, ".-") || strings.Contains(name, "-.") {
		return fmt.Sprintf("%s is no name of a cluster", show(name)), "begin and end each part with a letter or digit, as example-mail or mail.example.org"
	}
	return "", ""
}

func nodeIDFault(id string) (message, mend string) {
	switch {
	case id == "":
		return "the node id is empty", "write an id, as node-1"
	case len(id) > maxNodeID:
		return fmt.Sprintf("the node id has %d characters; %d are allowed", utf8.RuneCountInString(id), maxNodeID), "shorten it"
	}
	if message, mend := foreign(id, "._"); message != "" {
		return message, mend
	}
	if strings.ContainsRune("-._", rune(id[0])) {
		return fmt.Sprintf("the node id %s does not begin with a letter or digit", show(id)), "begin with a letter or digit"
	}
	return "", ""
}

// foreign refuses characters that a name may not have. Capitals and letters of
// other scripts are named for what they are: nobody can see the difference
// between two names that only they tell apart.
func foreign(name, also string) (message, mend string) {
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', strings.ContainsRune(also, r):
		case r >= 'A' && r <= 'Z':
			return fmt.Sprintf("%s has the capital %c; names that differ in case alone look alike", show(name), r), fmt.Sprintf("write %s", strings.ToLower(name))
		case unicode.IsLetter(r):
			message = fmt.Sprintf("%s has the letter %c (U+%04X), which is not one of a to z", show(name), r, r)
			if twin, ok := twins[r]; ok {
				return message + fmt.Sprintf(" though it looks like %c", twin), fmt.Sprintf("write %s", latin(name))
			}
			return message, "use the letters a to z"
		default:
			return fmt.Sprintf("%s has the character %q", show(name), r), "use lower-case letters, digits and `-`"
		}
	}
	return "", ""
}

// twins are letters of other scripts that cannot be told from Latin ones.
var twins = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'і': 'i', 'ј': 'j', 'ӏ': 'l', 'м': 'm', 'н': 'h',
	'о': 'o', 'р': 'p', 'ԛ': 'q', 'ѕ': 's', 'т': 't', 'у': 'y', 'х': 'x', 'ѵ': 'v', 'ԝ': 'w', 'к': 'k',
	'α': 'a', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'γ': 'y',
	'օ': 'o', 'ѡ': 'w', 'ո': 'n', 'ս': 'u', 'ց': 'g',
}

func latin(name string) string {
	return strings.Map(func(r rune) rune {
		if twin, ok := twins[r]; ok {
			return twin
		}
		return r
	}, name)
}

// skeleton is a name as it looks at a glance: two names with the same skeleton
// are not told apart.
func skeleton(name string) string {
	return strings.NewReplacer("0", "o", "1", "l").Replace(strings.ToLower(latin(name)))
}

// titleFault judges the name of a topology, which is for people: any text that
// can be seen for what it is.
func titleFault(name string) (message, mend string) {
	if utf8.RuneCountInString(name) > maxName {
		return fmt.Sprintf("the name has %d characters; %d are allowed", utf8.RuneCountInString(name), maxName), "shorten it"
	}
	return textFault(name)
}

func labelKeyFault(key string) (message, mend string) {
	const rule = "a label has letters, digits, `-`, `_`, `.` and `/`, begins with a letter, and has at most 63 characters"
	ok := key != "" && len(key) <= maxLabelKey
	for i, r := range key {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		ok = ok && (letter || i > 0 && (r >= '0' && r <= '9' || strings.ContainsRune("-_./", r)))
	}
	if !ok {
		return fmt.Sprintf("%s is no label", show(key)), rule
	}
	switch lower := strings.ToLower(key); lower {
	case "region", "zone", "id":
		if key != lower {
			return fmt.Sprintf("%s looks like %s, which every node has", show(key), lower), fmt.Sprintf("write %s", lower)
		}
	}
	return "", ""
}

func labelValueFault(value string) (message, mend string) {
	switch {
	case value == "":
		return "the value of a label is empty", "write the value that the node must have"
	case utf8.RuneCountInString(value) > maxLabelValue:
		return fmt.Sprintf("the value of a label has more than %d characters", maxLabelValue), "shorten it"
	}
	return textFault(value)
}

// textFault refuses text that cannot be seen for what it is.
func textFault(text string) (message, mend string) {
	switch {
	case !utf8.ValidString(text):
		return fmt.Sprintf("%s is not UTF-8", show(text)), "write it in UTF-8"
	case text != strings.TrimSpace(text):
		return fmt.Sprintf("%s begins or ends with a space", show(text)), fmt.Sprintf("write %q", strings.TrimSpace(text))
	}
	latin, other := false, false
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("%s has a character that cannot be seen (U+%04X)", show(text), r), "take it away"
		}
		if unicode.IsLetter(r) {
			isLatin := unicode.Is(unicode.Latin, r)
			latin, other = latin || isLatin, other || !isLatin
		}
	}
	if latin && other {
		return fmt.Sprintf("%s mixes Latin letters with those of another script, which look alike", show(text)), "write it in one script"
	}
	return "", ""
}
