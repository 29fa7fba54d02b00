package config

import (
	"errors"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"webim/cmd/webim/internal/setting"
)

// Flags are the flags of a command that takes all settings.
type Flags struct {
	Config   string   `short:"c" type:"text" placeholder:"FILE" group:"serving" help:"Settings in YAML; the keys are the flags' names with _ for -."`
	Settings Settings `embed:""`
}

// Load loads the configuration of a command with the flags f. ctx is the parsed command line.
func (f *Flags) Load(ctx *kong.Context, environ []string) (*Config, error) {
	return Load(&f.Settings, GivenFlags(ctx), environ, f.Config)
}

// GivenFlags returns the names of the flags on the command line.
func GivenFlags(ctx *kong.Context) map[string]bool {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	return given
}

// FlagOptions returns the options with which kong parses Flags: setting.Parse reads the values.
func FlagOptions() []kong.Option {
	options := []kong.Option{
		kong.ValueFormatter(describe),
		kong.ExplicitGroups([]kong.Group{
			{Key: "serving", Title: "Serving:"},
			{Key: "api", Title: "Server API:"},
			{Key: "store", Title: "Store:"},
			{Key: "limits", Title: "Limits of connections:"},
			{Key: "rooms", Title: "Limits of rooms:"},
			{Key: "rights", Title: "Rights, and limits of users:"},
			{Key: "hooks", Title: "Hooks:"},
			{Key: "tokens", Title: "Tokens:"},
		}),
	}
	for _, k := range []kind{"count", "size", "time", "oneof", "list", "rate", "flow", "text", "secret"} {
		options = append(options, kong.NamedMapper(string(k), k))
	}
	return options
}

// A ValueError reports a flag with a value that is wrong in itself.
type ValueError struct{ error }

// kind decodes the flags of one type of setting. It implements kong.Mapper.
type kind string

// Decode decodes a flag's value. Each use of a list flag appends to the list.
func (k kind) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	t := ctx.Scan.Peek()
	text := t.String()
	if t.IsEOL() || t.Type != kong.FlagValueToken && strings.HasPrefix(text, "-") {
		return &ValueError{errors.New("its value is missing")}
	}
	ctx.Scan.Pop()
	switch k {
	case "text", "secret": // also --config, which is not a setting
		target.SetString(text)
		return nil
	case "list":
		target.Set(reflect.AppendSlice(target, reflect.ValueOf(setting.Fields(text))))
		return nil
	}
	s := Lookup(ctx.Value.Name, func(s *setting.Setting) string { return s.Name })
	if err := s.Parse(text, target); err != nil {
		return &ValueError{err}
	}
	return nil
}

// PlaceHolder returns the placeholder for the value in the help.
func (k kind) PlaceHolder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return map[kind]string{"count": "N", "size": "BYTES", "time": "TIME", "oneof": "WORD", "rate": "N/TIME", "flow": "BYTES/TIME"}[k]
}

// describe adds the defaults to a flag's help.
func describe(v *kong.Value) string {
	s := Lookup(v.Name, func(s *setting.Setting) string { return s.Name })
	if s == nil {
		return v.Help
	}
	text := v.Help
	if s.Def != "" && s.Kind != "bool" {
		text += " Default " + s.Def
		if s.Dev != "" {
			text += ", with --dev " + s.Dev
		}
		if s.Durable != "" {
			text += ", in a durable store " + s.Durable
		}
		text += "."
	}
	return strings.TrimSpace(text)
}
