package setting

import (
	"reflect"
	"strconv"
	"strings"
)

// A Setting describes one field of a struct of settings.
type Setting struct {
	Index    int      // index of the field
	Name     string   // flag name without dashes
	Kind     string   // see Parse
	Def, Dev string   // the default, and the default with --dev; "": Def
	Durable  string   // default if messages outlive the process; "": Def or Dev
	Min, Max string   // bounds of a number
	Words    []string // words that may replace a number
	OneOf    []string // the words of the kind oneof
	Change   string   // how a running server takes over a new value: ByReload, ByUpgrade or ByRestart
	Help     string   // a sentence
}

// The values of Change.
const (
	ByReload  = "reload"
	ByUpgrade = "upgrade" // by a live upgrade, which no client notices
	ByRestart = "restart"
)

// Key returns the setting's name in the file.
func (s *Setting) Key() string { return strings.ReplaceAll(s.Name, "-", "_") }

// Env returns the setting's environment variable.
func (s *Setting) Env() string { return "WEBIM_" + strings.ToUpper(s.Key()) }

// Field returns the setting's field in the struct that in points to. The struct must have the
// type that the table was made from.
func (s *Setting) Field(in any) reflect.Value { return reflect.ValueOf(in).Elem().Field(s.Index) }

// MakeTable describes the fields of a struct that have tags, in their order. The tags name the fields of
// Setting in lower case, except that type is the Kind.
func MakeTable(t reflect.Type) []*Setting {
	var all []*Setting
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag == "" {
			continue // not a setting
		}
		all = append(all, &Setting{
			Index: i, Name: tag.Get("name"), Kind: tag.Get("type"), Help: tag.Get("help"),
			Def: tag.Get("def"), Dev: tag.Get("dev"), Durable: tag.Get("durable"), Min: tag.Get("min"), Max: tag.Get("max"),
			Words: Fields(tag.Get("words")), OneOf: Fields(tag.Get("oneof")), Change: tag.Get("change"),
		})
	}
	return all
}

// Lookup finds the setting of a table for which nameOf returns name; nil if there is none.
func Lookup(table []*Setting, name string, nameOf func(*Setting) string) *Setting {
	for _, s := range table {
		if nameOf(s) == name {
			return s
		}
	}
	return nil
}

// Fields splits a list at its commas and trims the items; "" is the empty list.
func Fields(list string) []string {
	if list == "" {
		return nil
	}
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// YAML returns a value in YAML.
func (s *Setting) YAML(v reflect.Value) string {
	switch {
	case s.Kind == "list":
		text := "["
		for i, item := range v.Interface().([]string) {
			if i > 0 {
				text += ", "
			}
			text += strconv.Quote(item)
		}
		return text + "]"
	case s.Kind == "text":
		return strconv.Quote(v.String())
	}
	return s.Format(v)
}
