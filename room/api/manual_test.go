package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated part of the manual: make docs sets it")

const apiManual = "../../web/docs/api.md"

// TestManualHasAllMethods compares the manual's reference of the server API with openapi.json.
func TestManualHasAllMethods(t *testing.T) {
	var d struct {
		Paths      object[object[described]]
		Components struct{ Schemas object[described] }
	}
	if err := json.Unmarshal(description, &d); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, path := range d.Paths.keys {
		for _, verb := range d.Paths.of[path].keys {
			op := d.Paths.of[path].of[verb]
			fmt.Fprintf(&want, "### %s\n\n`%s %s` — %s.\n\n", op.ID, strings.ToUpper(verb), path, op.Summary)
			if op.Description != "" {
				fmt.Fprintf(&want, "%s\n\n", escaped(op.Description))
			}
			request := d.Components.Schemas.of[op.RequestBody.schema().name()]
			fields(&want, "field", request)
			result := op.Responses.of["200"].schema()
			if len(result.OneOf) > 0 {
				result = result.OneOf[0]
			}
			if inner, ok := result.Properties.of["result"]; ok {
				result = inner
			}
			fields(&want, "result", d.Components.Schemas.of[result.name()])
			if len(op.Codes) > 0 {
				fmt.Fprintf(&want, "Errors: %s.\n\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(op.Codes), " ", ", "), "[]"))
			}
		}
	}
	want.WriteString("### Objects\n\nThe objects that the tables above name.\n\n")
	for _, name := range d.Components.Schemas.keys {
		if s := d.Components.Schemas.of[name]; !strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Result") && len(s.Properties.keys) > 0 {
			fmt.Fprintf(&want, "#### %s\n\n", name)
			fields(&want, "field", s)
		}
	}
	compareAPIManual(t, want.String())
}

func compareAPIManual(t *testing.T, want string) {
	t.Helper()
	text, err := os.ReadFile(apiManual)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := []byte("<!-- begin methods, written by make docs -->\n"), []byte("<!-- end methods -->\n")
	head, rest, ok := bytes.Cut(text, begin)
	got, tail, ok2 := bytes.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("api.md has no lines %s%s", begin, end)
	case *update:
		if err := os.WriteFile(apiManual, slices.Concat(head, begin, []byte(want), end, tail), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(got) != want:
		t.Error("the methods in api.md are not those of openapi.json: run make docs")
	}
}

// described is the part of an operation or of a schema that the manual shows.
type described struct {
	ID                   string `json:"operationId"`
	Summary, Description string
	Ref                  string `json:"$ref"`
	Type                 any
	Properties           object[described]
	Additional           json.RawMessage `json:"additionalProperties"`
	Items                *described
	OneOf                []described
	Required             []string
	RequestBody          body
	Responses            object[body]
	Codes                []int `json:"x-error-codes"`
}

type body struct {
	Content object[struct{ Schema described }]
}

func (b body) schema() described { return b.Content.of["application/json"].Schema }

// name returns the name of the schema to which s refers.
func (s described) name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// kind names the type of a field.
func (s described) kind() string {
	switch {
	case s.Ref != "":
		return s.name()
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.Type == "object" && len(s.Additional) > 0 && s.Additional[0] == '{':
		var inner described
		_ = json.Unmarshal(s.Additional, &inner) // it was valid as a part of the whole
		return "map of " + inner.kind()
	case s.Type == nil:
		return "JSON"
	}
	return fmt.Sprint(s.Type)
}

// fields writes the table of an object's fields; nothing if it has none.
func fields(b *strings.Builder, what string, s described) {
	if len(s.Properties.keys) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s | type | meaning |\n| --- | --- | --- |\n", what)
	for _, name := range s.Properties.keys {
		f := s.Properties.of[name]
		text := cmp.Or(f.Description, " ")
		if what == "field" && slices.Contains(s.Required, name) {
			text = "Required. " + text
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, f.kind(), strings.TrimSpace(escaped(text)))
	}
	b.WriteString("\n")
}

var special = regexp.MustCompile("[*_\\[\\]<>`|]")

// escaped returns a text as Markdown.
func escaped(text string) string { return special.ReplaceAllString(text, `\$0`) }

// object is a JSON object that keeps the order of its keys.
type object[T any] struct {
	keys []string
	of   map[string]T
}

func (o *object[T]) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &o.of); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	_, _ = d.Token() // {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		o.keys = append(o.keys, key.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}
