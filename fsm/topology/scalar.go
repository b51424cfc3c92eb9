package topology

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "roster/proto/roster/v1"
)

// scalar reads a value that stands on one line. What it accepts is decided by
// the written text, never by what the YAML library made of it: the library
// reads 010 as eight and 1_000 as a thousand.
func (r *reader) scalar(n ast.Node, field protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	var v protoreflect.Value
	switch field.Kind() {
	case protoreflect.StringKind:
		text, ok := r.text(n)
		return protoreflect.ValueOfString(text), ok
	case protoreflect.BoolKind:
		return r.boolean(n)
	case protoreflect.Uint32Kind:
		i, ok := r.number(n, 0, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(i)), ok
	case protoreflect.Int32Kind:
		i, ok := r.number(n, math.MinInt32, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(i)), ok
	case protoreflect.EnumKind:
		return r.word(n, field.Enum())
	case protoreflect.MessageKind:
		if field.Message().FullName() == percentName {
			return r.percent(n)
		}
		return r.duration(n)
	}
	r.refuse(ruleKind, nodePosition(n), "this value has no form in a file", "take the key away")
	return v, false
}

// written is a scalar as it stands in the file.
type written struct {
	text   string
	quoted bool
	at     position
}

// take returns a scalar's text, or refuses what is not a scalar.
func (r *reader) take(n ast.Node, want string) (written, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode, *ast.NullNode:
	default:
		r.wrongKind(n, want)
		return written{}, false
	}
	tk := n.GetToken()
	if tk == nil || tk.Type == token.ImplicitNullType {
		r.wrongKind(n, want)
		return written{}, false
	}
	return asWritten(n, tk), true
}

func asWritten(n ast.Node, tk *token.Token) written {
	quoted := tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
	return written{text: tk.Value, quoted: quoted, at: nodePosition(n)}
}

// text reads a word. What another YAML reader may take for a truth value, a
// number, a time or nothing must stand in quotes, here and everywhere.
func (r *reader) text(n ast.Node) (string, bool) {
	w, ok := r.take(n, "text")
	if !ok {
		return "", false
	}
	return w.text, r.asText(w)
}

// asText refuses unquoted text that YAML may take for something else.
func (r *reader) asText(w written) bool {
	if kind := taken(w.text); kind != "" && !w.quoted {
		r.refuse(ruleQuote, w.at, fmt.Sprintf("YAML takes %s for %s, and this takes text", w.text, kind), fmt.Sprintf("write it in quotes: %q", w.text))
		return false
	}
	return true
}

var (
	numberLike = regexp.MustCompile(`^[-+]?(\.?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|\.(?i:inf))$|^\.(?i:nan)$`)
	timeLike   = regexp.MustCompile(`^([0-9]+(:[0-9]{1,2})+(\.[0-9]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)$`)
)

// taken says what a YAML reader may take unquoted text for; empty: for text.
func taken(text string) string {
	switch strings.ToLower(text) {
	case "yes", "no", "on", "off", "true", "false":
		return "a truth value"
	case "null", "~", "":
		return "nothing"
	}
	if numberLike.MatchString(text) {
		return "a number"
	}
	if timeLike.MatchString(text) {
		return "a time"
	}
	return ""
}

func (r *reader) boolean(n ast.Node) (v protoreflect.Value, ok bool) {
	w, ok := r.take(n, "true or false")
	if !ok {
		return v, false
	}
	if !w.quoted && (w.text == "true" || w.text == "false") {
		return protoreflect.ValueOfBool(w.text == "true"), true
	}
	mend := "write true or false, without quotes"
	switch strings.ToLower(w.text) {
	case "yes", "on", "true", "y":
		mend = "write true, without quotes"
	case "no", "off", "false", "n":
		mend = "write false, without quotes"
	}
	r.refuse(ruleBool, w.at, fmt.Sprintf("this takes true or false, not %s", show(w.text)), mend)
	return v, false
}

var wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

func (r *reader) number(n ast.Node, least, most int64) (int64, bool) {
	w, ok := r.take(n, "a whole number")
	if !ok {
		return 0, false
	}
	refuse := func(message, mend string) (int64, bool) {
		r.refuse(ruleNumber, w.at, message, mend)
		return 0, false
	}
	bounds := fmt.Sprintf("write a whole number from %d to %d", least, most)
	if !wholeNumber.MatchString(w.text) {
		if f, err := strconv.ParseFloat(w.text, 64); err == nil && f == math.Trunc(f) && f >= float64(least) && f <= float64(most) && !strings.ContainsAny(w.text, "xXpP_") {
			bounds = fmt.Sprintf("write %d", int64(f))
		}
		return refuse(fmt.Sprintf("this takes a whole number in decimal digits, not %s", show(w.text)), bounds)
	}
	i, err := strconv.ParseInt(w.text, 10, 64)
	switch {
	case err != nil || i < least || i > most:
		return refuse(fmt.Sprintf("%s is out of range", shorten(w.text)), bounds)
	case w.quoted:
		return refuse("a number in quotes is text, and this takes a number", fmt.Sprintf("write %d, without quotes", i))
	}
	return i, true
}

func (r *reader) word(n ast.Node, d protoreflect.EnumDescriptor) (v protoreflect.Value, ok bool) {
	words := enumWords(d)
	want := strings.Join(words, ", ")
	w, ok := r.take(n, "one of "+want)
	if !ok {
		return v, false
	}
	for i, word := range words {
		if w.text == word {
			return protoreflect.ValueOfEnum(d.Values().Get(i + 1).Number()), true
		}
	}
	mend := "write one of " + want
	lower := strings.ToLower(w.text)
	if near, ok := nearest(lower, words); ok {
		mend = fmt.Sprintf("did you mean %s?", near)
	}
	for _, word := range words {
		if lower == word || strings.HasSuffix(lower, "_"+word) {
			mend = "write " + word
		}
	}
	r.refuse(ruleWord, w.at, fmt.Sprintf("this takes one of %s, not %s", want, show(w.text)), mend)
	return v, false
}

// enumWords lists the words of an enum: its values' names without the enum's
// own, in lower case. The first value, that of an absent key, has none.
func enumWords(d protoreflect.EnumDescriptor) []string {
	first := string(d.Values().Get(0).Name())
	prefix := strings.TrimSuffix(first, "UNSPECIFIED")
	words := make([]string, 0, d.Values().Len()-1)
	for i := 1; i < d.Values().Len(); i++ {
		words = append(words, strings.ToLower(strings.TrimPrefix(string(d.Values().Get(i).Name()), prefix)))
	}
	return words
}

func (r *reader) percent(n ast.Node) (v protoreflect.Value, ok bool) {
	w, ok := r.take(n, "a percentage, as 25%")
	if !ok {
		return v, false
	}
	digits, found := strings.CutSuffix(w.text, "%")
	value, err := strconv.ParseUint(digits, 10, 32)
	if found && err == nil && value <= 100 && wholeNumber.MatchString(digits) {
		return protoreflect.ValueOfMessage((&v1.Percent{Value: uint32(value)}).ProtoReflect()), true
	}
	mend := "write a whole number from 0 to 100 and %, as 25%"
	if !found && wholeNumber.MatchString(w.text) && err == nil && value <= 100 {
		mend = fmt.Sprintf("write %d%%", value)
	} else if f, err := strconv.ParseFloat(w.text, 64); err == nil && f > 0 && f < 1 {
		mend = fmt.Sprintf("write %d%%", int(math.Ceil(f*100)))
	}
	r.refuse(rulePercent, w.at, fmt.Sprintf("this takes a percentage, as 25%%, not %s", show(w.text)), mend)
	return v, false
}

func shorten(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
