package jsonform

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"
)

// MarshalYAML writes the same form as YAML, with a line end. A string stands
// without quotes only where every reader of YAML, old or new, takes it for a
// string; text of several lines, such as a topology file, is a literal block.
func MarshalYAML(m proto.Message) ([]byte, error) {
	t, err := treeOf(m)
	if err != nil {
		return nil, err
	}
	switch t.(type) {
	case object, []any:
		return appendBlock(nil, t, "", false), nil
	}
	return append(appendInline(nil, t, ""), '\n'), nil
}

// appendBlock writes a tree's lines, each behind the indent. started: the first
// line's indent is written already, as behind the dash of a list.
func appendBlock(b []byte, v any, indent string, started bool) []byte {
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			return append(b, "{}\n"...)
		}
		for i, f := range v {
			if i > 0 || !started {
				b = append(b, indent...)
			}
			b = append(appendText(b, f.key, ""), ':')
			b = appendUnder(b, f.value, indent)
		}
		return b
	case []any:
		if len(v) == 0 {
			return append(b, "[]\n"...)
		}
		for i, e := range v {
			if i > 0 || !started {
				b = append(b, indent...)
			}
			b = append(b, "- "...)
			if nested(e) {
				b = appendBlock(b, e, indent+"  ", true)
			} else {
				b = append(appendInline(b, e, indent), '\n')
			}
		}
		return b
	}
	panic(fmt.Sprintf("jsonform: %T is no block", v))
}

// appendUnder writes a value behind its key's colon.
func appendUnder(b []byte, v any, indent string) []byte {
	if nested(v) {
		return appendBlock(append(b, '\n'), v, indent+"  ", false)
	}
	return append(appendInline(append(b, ' '), v, indent), '\n')
}

// nested says whether a value has lines of its own.
func nested(v any) bool {
	switch v := v.(type) {
	case object:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

// appendInline writes a value that begins on the line of its key or dash.
func appendInline(b []byte, v any, indent string) []byte {
	if s, ok := v.(string); ok {
		return appendText(b, s, indent+"  ")
	}
	// What is left is written as in JSON, which is YAML.
	return appendJSON(b, v, "")
}

var (
	// bare strings begin with a letter, so they are no number, date or sign.
	bare = regexp.MustCompile(`^[A-Za-z_/]([A-Za-z0-9_./@%+=,()~ -]|:[A-Za-z0-9_./@+-])*$`)
	// amount is 25%, or a duration.
	amount = regexp.MustCompile(`^([0-9]+%|-?([0-9]+(\.[0-9]+)?(h|m|s|ms|µs|ns))+)$`)
	// word is what some reader takes for something else than a string.
	word = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

// appendText writes a string; the lines of a literal block go behind the indent,
// and no indent means no block.
func appendText(b []byte, s, indent string) []byte {
	switch {
	case amount.MatchString(s), bare.MatchString(s) && !word.MatchString(s) && !strings.HasSuffix(s, " "):
		return append(b, s...)
	case indent != "" && literal(s):
		b = append(b, '|')
		body, ended := strings.CutSuffix(s, "\n")
		if !ended {
			b = append(b, '-')
		}
		for line := range strings.SplitSeq(body, "\n") {
			b = append(b, '\n')
			if line != "" {
				b = append(append(b, indent...), line...)
			}
		}
		return b
	}
	return appendString(b, s)
}

// literal says whether a string can be a literal block: several lines, of which
// neither the first nor the last is empty or begins with a blank, and nothing
// that does not show.
func literal(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(s, "\n") || body == "" || strings.HasSuffix(body, "\n") || strings.ContainsAny(body[:1], " \t\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") {
			return false // some readers lose it
		}
	}
	return !strings.ContainsFunc(body, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}
