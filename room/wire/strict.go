package wire

import (
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Strict decodes a JSON object into the value that v points to. If a field is unknown, appears
// twice, differs in case or has the wrong type, the error wraps ErrBadRequest and names the field.
// Otherwise a misspelt option would silently do nothing. null means that the field is absent, and
// empty data counts as {}.
func Strict(data []byte, v any) error {
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(true)); err != nil {
		return Explain(ErrBadRequest, "bad request: "+Fault(err))
	}
	return nil
}

// Fault describes a decoding error to the sender of the JSON.
func Fault(err error) string {
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &wrong) && errors.Is(err, json.ErrUnknownName):
		return "there is no field " + Quoted(string(wrong.JSONPointer))
	case errors.As(err, &wrong):
		return "the value of " + Quoted(string(wrong.JSONPointer)) + " has the wrong type"
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return "the field " + Quoted(string(syntax.JSONPointer)) + " appears twice"
	}
	return "the body is not JSON"
}

// Quoted returns a quoted name for a message, cut to 64 bytes.
func Quoted(name string) string { return strconv.Quote(name[:min(len(name), 64)]) }
