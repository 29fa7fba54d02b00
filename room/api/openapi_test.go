package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/control"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// schema is the part of a JSON schema that the tests use.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Items       *schema           `json:"items"`
	OneOf       []schema          `json:"oneOf"`
	Encoding    string            `json:"contentEncoding"`
	Enum        []uint32          `json:"enum"`
	Required    []string          `json:"required"`
}

type content struct {
	Content map[string]struct{ Schema schema } `json:"content"`
}

func (c content) schema() schema { return c.Content["application/json"].Schema }

type operation struct {
	ID, Summary, Description string
	RequestBody              content
	Responses                map[string]struct {
		content
		Ref string `json:"$ref"`
	}
	Codes    []uint32              `json:"x-error-codes"`
	Security []map[string][]string // empty: the security of the whole document
}

type openAPI struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]schema
		Responses map[string]content
	}
}

// read parses the openapi.json that the server serves.
func readDescription(t *testing.T) *openAPI {
	t.Helper()
	n := start(t, nil)
	status, body := n.ask(http.MethodGet, Prefix+descriptionName, "", func(r *http.Request) { r.Header.Del("X-API-Key") })
	var d openAPI
	if err := json.Unmarshal([]byte(body), &d); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	return &d
}

func (d *openAPI) follow(t *testing.T, s schema) schema {
	t.Helper()
	name, is := strings.CutPrefix(s.Ref, "#/components/schemas/")
	if !is {
		return s
	}
	to, there := d.Components.Schemas[name]
	if !there {
		t.Fatalf("there is no schema %s", name)
	}
	return to
}

// TestDescriptionFields checks that openapi.json has exactly the methods and fields of the
// handlers, with the same types.
func TestDescriptionFields(t *testing.T) {
	d := readDescription(t)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("version %q", d.OpenAPI)
	}
	want := []string{Prefix + descriptionName, linesPath}
	lines := d.Paths[linesPath]["post"]
	d.compare(t, "a command in lines", lines.RequestBody.schema(), reflect.TypeFor[lineCommand]())
	d.compare(t, "a reply in lines", lines.Responses["200"].schema().OneOf[0], reflect.TypeFor[lineReply]())
	for name, m := range methods {
		want = append(want, Prefix+name)
		op, there := d.Paths[Prefix+name]["post"]
		if !there || len(d.Paths[Prefix+name]) != 1 {
			t.Errorf("%s: not there, or not only POST", name)
			continue
		}
		moderator := slices.ContainsFunc(op.Security, func(one map[string][]string) bool { return one["moderator"] != nil })
		_, named := reflect.New(m.request).Interface().(aboutRooms)
		if opens := m.needs != noAction; moderator != opens || slices.Contains(op.Codes, 103) != (opens && named) {
			t.Errorf("%s: a moderator's token: %v with %v, want %v", name, moderator, op.Codes, opens)
		}
		if op.Summary == "" || op.Description == "" {
			t.Errorf("%s is not described", name)
		}
		if name == "batch" {
			d.batch(t, op)
			continue
		}
		d.compare(t, name+" request", op.RequestBody.schema(), m.request)
		answer := op.Responses["200"].schema()
		if len(answer.OneOf) != 2 || answer.OneOf[1].Ref != "#/components/schemas/Failure" {
			t.Errorf("%s: its answer is %+v", name, answer)
			continue
		}
		d.compare(t, name+" result", answer.OneOf[0].Properties["result"], m.result)
		command, reply := d.Components.Schemas["Command"].Properties[name], d.Components.Schemas["Reply"].Properties[name]
		d.compare(t, name+" in a batch", command, m.request)
		d.compare(t, name+" in a batch's reply", reply, m.result)
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(d.Paths)); !slices.Equal(got, want) {
		t.Errorf("paths %v, want %v", got, want)
	}
	d.compare(t, "failure", d.Components.Schemas["Failure"], reflect.TypeFor[failure]())
}

// batch checks the requests and replies of a batch, which are maps in Go.
func (d *openAPI) batch(t *testing.T, op operation) {
	request, result := d.follow(t, op.RequestBody.schema()), d.follow(t, op.Responses["200"].schema().OneOf[0])
	if got := slices.Sorted(maps.Keys(request.Properties)); !slices.Equal(got, []string{"commands", "parallel"}) {
		t.Errorf("batch request: %v", got)
	}
	if got := slices.Sorted(maps.Keys(result.Properties)); !slices.Equal(got, []string{"replies"}) {
		t.Errorf("batch result: %v", got)
	}
	if c, r := len(d.Components.Schemas["Command"].Properties), len(d.Components.Schemas["Reply"].Properties); c != len(methods) || r != len(methods)+1 {
		t.Errorf("a batch has %d commands and %d replies, for %d methods", c, r, len(methods))
	}
}

// compare compares a schema with a Go type.
func (d *openAPI) compare(t *testing.T, what string, s schema, typ reflect.Type) {
	t.Helper()
	s = d.follow(t, s)
	kind := ""
	switch {
	case typ == reflect.TypeFor[jsontext.Value](), typ.Kind() == reflect.Interface:
		if s.Type != "" || s.Description == "" {
			t.Errorf("%s: any JSON is %+v", what, s)
		}
		return
	case typ.Kind() == reflect.Pointer:
		d.compare(t, what, s, typ.Elem())
		return
	case typ == reflect.TypeFor[[]byte]():
		kind = "string"
		if s.Encoding != "base64" {
			t.Errorf("%s: bytes are not in base64", what)
		}
	case typ.Kind() == reflect.Slice:
		kind = "array"
		if s.Items != nil {
			d.compare(t, what+"[]", *s.Items, typ.Elem())
		}
	case typ.Kind() == reflect.Map:
		kind = "object"
		var value schema
		if err := json.Unmarshal(s.Additional, &value); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		d.compare(t, what+"{}", value, typ.Elem())
	case typ.Kind() == reflect.Struct:
		kind = "object"
		d.compareFields(t, what, s, typ)
	case typ.Kind() == reflect.String:
		kind = "string"
	case typ.Kind() == reflect.Bool:
		kind = "boolean"
	default:
		kind = "integer"
	}
	if s.Type != kind {
		t.Errorf("%s: its type is %q, want %q", what, s.Type, kind)
	}
}

func (d *openAPI) compareFields(t *testing.T, what string, s schema, typ reflect.Type) {
	t.Helper()
	if string(s.Additional) != "false" {
		t.Errorf("%s: other fields are let through", what)
	}
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "inline" {
			continue
		}
		names = append(names, name)
		d.compare(t, what+"."+name, s.Properties[name], f.Type)
	}
	slices.Sort(names)
	if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, names) {
		t.Errorf("%s: fields %v, want %v", what, got, names)
	}
	for _, name := range s.Required {
		if !slices.Contains(names, name) {
			t.Errorf("%s: %s is required, and not there", what, name)
		}
	}
}

// TestDescriptionErrors checks that openapi.json describes every status and every error code of
// each method.
func TestDescriptionErrors(t *testing.T) {
	d := readDescription(t)
	codes := d.Components.Schemas["Error"].Properties["code"].Enum
	for _, err := range []error{
		engine.ErrKeyReused, engine.ErrStateOld, room.ErrBusy, room.ErrBadMessage, control.ErrNoTarget, control.ErrInvalid, token.ErrFull,
		wire.CheckRoomName(""), wire.ErrNotAvailable, wire.ErrInternal, wire.ErrUnrecoverablePosition,
		coded(wire.ErrUnauthorized, ""), coded(wire.ErrMethodNotFound, ""), http.ErrAbortHandler,
	} {
		if e := errorOf(err); !slices.Contains(codes, e.Code) {
			t.Errorf("%v is not described: %v", e, codes)
		}
	}
	known := map[uint32]bool{101: true}
	for name := range d.Paths {
		op, there := d.Paths[name]["post"]
		if !there {
			continue
		}
		for _, code := range op.Codes {
			known[code] = true
		}
		if got := slices.Sorted(maps.Keys(op.Responses)); !slices.Equal(got, []string{"200", "400", "401", "403", "404", "405", "413", "421", "503"}) {
			t.Errorf("%s: statuses %v", name, got)
		}
		for status, r := range op.Responses {
			if part, is := strings.CutPrefix(r.Ref, "#/components/responses/"); status != "200" && (!is || d.Components.Responses[part].schema().Ref == "") {
				t.Errorf("%s: status %s is %q", name, status, r.Ref)
			}
		}
	}
	if got := slices.Sorted(maps.Keys(known)); !slices.Equal(got, codes) {
		t.Errorf("the methods have %v, the description %v", got, codes)
	}
	for _, c := range errorCases() {
		if codes := d.Paths[Prefix+c.method]["post"].Codes; !slices.Contains(codes, c.code) {
			t.Errorf("%s answers %d, and is described with %v", c.method, c.code, codes)
		}
	}
}
