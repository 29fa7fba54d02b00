// Package neutral removes the parts without content from JSON values: null, false, 0, "", [] and {}.
//
// PHP writes an empty map as []. Libraries also send fields of newer servers with their zero values,
// such as "version":0. So where the server API and the hooks expect an object, a value without
// content counts as null, and an unknown field without content is ignored.
//
// All functions are pure.
package neutral

import (
	"bytes"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Without returns a request for type t without the parts that have no content. If body is
// not JSON, Without returns it unchanged. It is only called after a request could not be
// decoded as it came.
func Without(body []byte, t reflect.Type) []byte {
	if v := jsontext.Value(body); v.IsValid() { // IsValid also refuses duplicate names
		return Cleared(v, t)
	}
	return body
}

// Cleared returns v, which is a value for type t, without the parts that have no content. Values of
// type jsontext.Value belong to the application, and strings, numbers, booleans and lists have a
// meaning even if they are zero; all of these stay.
func Cleared(v jsontext.Value, t reflect.Type) jsontext.Value {
	v = jsontext.Value(bytes.TrimSpace(v))
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[jsontext.Value](), t == reflect.TypeFor[[]byte]():
		return v
	case t.Kind() == reflect.Struct && v.Kind() == '{':
		return clearedObject(v, Fields(t))
	case (t.Kind() == reflect.Map || t.Kind() == reflect.Struct) && isNeutral(v):
		return jsontext.Value("null")
	}
	return v
}

// clearedObject clears the values of known fields, and drops unknown fields without content.
func clearedObject(v jsontext.Value, fields map[string]reflect.Type) jsontext.Value {
	var out bytes.Buffer
	in, to := jsontext.NewDecoder(bytes.NewReader(v)), jsontext.NewEncoder(&out)
	_, _ = in.ReadToken() // the { ; v is valid JSON, so nothing here fails
	_ = to.WriteToken(jsontext.BeginObject)
	for in.PeekKind() != '}' {
		token, _ := in.ReadToken()
		name := token.String()
		value, _ := in.ReadValue()
		if t, known := fields[name]; known {
			value = Cleared(value, t)
		} else if isNeutral(value) {
			continue
		}
		_ = to.WriteToken(jsontext.String(name))
		_ = to.WriteValue(value)
	}
	_ = to.WriteToken(jsontext.EndObject)
	return out.Bytes()
}

// Fields returns the types of a struct's fields by their JSON names.
func Fields(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if options == "inline" {
			for inner, of := range Fields(t.Field(i).Type) {
				all[inner] = of
			}
			continue
		}
		all[name] = t.Field(i).Type
	}
	return all
}

// isNeutral reports whether a value has no content: null, false, 0, "", [] or {}.
func isNeutral(v jsontext.Value) bool {
	v = v.Clone()
	if v.Compact() != nil {
		return false
	}
	switch string(v) {
	case "null", "false", `""`, "[]", "{}":
		return true
	}
	return v.Kind() == '0' && v.Canonicalize() == nil && string(v) == "0"
}

// IsEmptyList reports whether a value is [].
func IsEmptyList(v jsontext.Value) bool { return v.Kind() == '[' && isNeutral(v) }
