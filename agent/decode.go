package agent

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// decoder fills in the shape of a config file. The YAML library would stop at the
// first fault; this goes on, so that all are told at once.
type decoder struct {
	at     *placer
	faults Faults
	// amiss are paths that could not be read, or were probably meant by a misspelt
	// key: what is missing there was told.
	amiss []string
}

// fill decodes a node into v.
func (d *decoder) fill(n ast.Node, path string, v reflect.Value) {
	if n == nil || n.Type() == ast.NullType {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.fill(n, path, v.Elem())
	case reflect.Struct:
		d.fields(n, path, v)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for key, value := range d.pairs(n, path) {
			one := reflect.New(v.Type().Elem()).Elem()
			d.fill(value.Value, join(path, key), one)
			v.SetMapIndex(reflect.ValueOf(key), one)
		}
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			d.wrong(n, path, "a list is expected", "write it as a list: [A, B]")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		for i, one := range list.Values {
			d.fill(one, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	default:
		d.leaf(n, path, v)
	}
}

// fields decodes a mapping whose keys are known.
func (d *decoder) fields(n ast.Node, path string, v reflect.Value) {
	keys := make(map[string]int)
	var names []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		keys[name] = i
		names = append(names, name)
	}
	for key, value := range d.pairs(n, path) {
		if i, ok := keys[key]; ok {
			d.fill(value.Value, join(path, key), v.Field(i))
			continue
		}
		const mend = "take it out; docs/agents.md lists every key"
		f := &Fault{Path: path, Message: fmt.Sprintf("unknown field %q", key), Mend: "correct its spelling, or " + mend}
		d.amiss = append(d.amiss, path)
		if near := nearest(key, names); near != "" {
			f.Mend = "did you mean " + near + "? Else " + mend
			d.amiss = append(d.amiss, join(path, near))
		}
		d.faults = append(d.faults, d.at.place(f, start(value.Key)))
	}
}

// pairs yields the pairs of a mapping, in order; a key that is there twice is a fault.
func (d *decoder) pairs(n ast.Node, path string) func(yield func(string, *ast.MappingValueNode) bool) {
	var all []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		all = n.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{n}
	default:
		d.wrong(n, path, "keys with values are expected", "write it as {KEY: VALUE}")
	}
	return func(yield func(string, *ast.MappingValueNode) bool) {
		seen := make(map[string]bool)
		for _, pair := range all {
			key := pair.Key.GetToken().Value
			if seen[key] {
				f := &Fault{Path: path, Message: fmt.Sprintf("%q is already defined", key), Mend: "keep one of the two"}
				d.faults = append(d.faults, d.at.place(f, start(pair.Key)))
				continue
			}
			seen[key] = true
			if !yield(key, pair) {
				return
			}
		}
	}
}

// leaf decodes a single value.
func (d *decoder) leaf(n ast.Node, path string, v reflect.Value) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
		d.wrong(n, path, "a single value is expected", "write a value of the right kind")
		return
	}
	err := yaml.NodeToValue(n, v.Addr().Interface())
	if err == nil {
		return
	}
	message := err.Error()
	var y yaml.Error
	if errors.As(err, &y) {
		message = y.GetMessage()
	}
	d.wrong(n, path, message, "write a value of the right kind")
}

func (d *decoder) wrong(n ast.Node, path, message, mend string) {
	d.faults = append(d.faults, d.at.place(&Fault{Path: path, Message: message, Mend: mend}, start(n)))
	d.amiss = append(d.amiss, path)
}

// told says whether a fault only follows from one that was told.
func (d *decoder) told(f *Fault) bool {
	for _, path := range d.amiss {
		if f.Path == path || path != "" && strings.HasPrefix(f.Path, path) && strings.ContainsAny(f.Path[len(path):len(path)+1], ".[") {
			return true
		}
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
