package wire

import (
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Strict reads a JSON object into what v points to. A field that is not known, is
// there twice, differs in case or has the wrong type is an error that wraps
// ErrBadRequest and names the field: a misspelt option would otherwise be a
// promise that is not kept. null is as good as nothing, and so is no data at all.
func Strict(data []byte, v any) error {
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(true)); err != nil {
		return Explain(ErrBadRequest, "bad request: "+Fault(err))
	}
	return nil
}

// Fault says what is wrong with JSON that could not be read, for whoever sent it.
func Fault(err error) string {
	var wrong *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &wrong) && errors.Is(err, json.ErrUnknownName):
		return "there is no field " + quoted(string(wrong.JSONPointer))
	case errors.As(err, &wrong):
		return "the value of " + quoted(string(wrong.JSONPointer)) + " has the wrong type"
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return "the field " + quoted(string(syntax.JSONPointer)) + " appears twice"
	}
	return "the body is not JSON"
}

// quoted is a name in quotes, not too long for a sentence.
func quoted(name string) string { return strconv.Quote(name[:min(len(name), 64)]) }
