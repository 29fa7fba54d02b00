package api

import (
	"bytes"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// PHP writes an empty map as [], and libraries send the fields of newer servers
// with the values that they have when nobody sets them: "version":0. Such a value
// asks for nothing, so it is as good as null, and a field that is not known and
// asks for nothing is as good as not there.

// withoutNeutral is a request for a type without what asks for nothing; what is no
// JSON comes back as it is. It is called only for requests that cannot be read as
// they are.
func withoutNeutral(body []byte, t reflect.Type) []byte {
	if v := jsontext.Value(body); v.IsValid() { // without names that are there twice, too
		return cleared(v, t)
	}
	return body
}

// cleared is a value for a type. Values of type jsontext.Value are the
// application's, and texts, numbers, truths and lists mean themselves: they stay.
func cleared(v jsontext.Value, t reflect.Type) jsontext.Value {
	v = jsontext.Value(bytes.TrimSpace(v))
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[jsontext.Value](), t == reflect.TypeFor[[]byte]():
		return v
	case t.Kind() == reflect.Struct && v.Kind() == '{':
		return clearedObject(v, fieldsOf(t))
	case (t.Kind() == reflect.Map || t.Kind() == reflect.Struct) && isNeutral(v):
		return jsontext.Value("null")
	}
	return v
}

// clearedObject clears the fields that are known, and leaves out others that ask
// for nothing.
func clearedObject(v jsontext.Value, fields map[string]reflect.Type) jsontext.Value {
	var out bytes.Buffer
	in, to := jsontext.NewDecoder(bytes.NewReader(v)), jsontext.NewEncoder(&out)
	_, _ = in.ReadToken() // {; v is valid, so nothing here fails
	_ = to.WriteToken(jsontext.BeginObject)
	for in.PeekKind() != '}' {
		token, _ := in.ReadToken()
		name := token.String()
		value, _ := in.ReadValue()
		if t, known := fields[name]; known {
			value = cleared(value, t)
		} else if isNeutral(value) {
			continue
		}
		_ = to.WriteToken(jsontext.String(name))
		_ = to.WriteValue(value)
	}
	_ = to.WriteToken(jsontext.EndObject)
	return out.Bytes()
}

// fieldsOf has the types of a struct's fields by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if options == "inline" {
			for inner, of := range fieldsOf(t.Field(i).Type) {
				all[inner] = of
			}
			continue
		}
		all[name] = t.Field(i).Type
	}
	return all
}

// isNeutral reports whether a value asks for nothing: null, false, 0, "", [], {}.
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

// isEmptyList reports whether a value is [].
func isEmptyList(v jsontext.Value) bool { return v.Kind() == '[' && isNeutral(v) }
