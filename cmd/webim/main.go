// Command webim is a chat server: rooms over WebSocket, and the page that
// talks to them.
//
//	webim serve --dev       try it out on this machine
//	webim serve             serve everybody
//	webim check             say what the settings are, and whether they are right
//	webim token make        make a token for a client
//	webim token inspect     say what a token says, and whether it is good
//
// Every setting is a flag (--max-conns), an environment variable
// (WEBIM_MAX_CONNS) and a key of the file given by --config (max_conns); the
// flag goes before the variable, the variable before the file.
//
// SIGTERM and SIGINT send the clients away, over a time, and then end the program;
// who comes meanwhile is told 503. A second one ends it at once. SIGHUP never ends it:
// it reads the certificate again, which is also read again by itself when its files
// change. A service manager that names a socket in NOTIFY_SOCKET is told all that.
//
// check says all that serve would say about the same settings: both call
// config.prepare. A mistake is told in the terms of the place where it was made: the
// flag, the variable, or the key and line of the file. Defaults make a chat that works;
// a file with which nobody can use the page is warned of.
//
// It ends with 0 after SIGTERM or SIGINT; with 1 when it cannot serve; with 2
// for wrong settings.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commands are what can be asked for.
type commands struct {
	Serve   withSettings  `cmd:"" help:"Serve until SIGTERM or SIGINT."`
	Check   withSettings  `cmd:"" help:"Judge the settings and print them, as a file for --config, with the source of each."`
	Token   tokenCommands `cmd:"" help:"Make and inspect tokens."`
	Version struct{}      `cmd:"" help:"Print the version."`
}

// withSettings is a command with all settings as its flags.
type withSettings struct {
	Config   string   `short:"c" type:"text" placeholder:"FILE" group:"serving" help:"Settings in YAML: the flags' names with _ for -."`
	Settings settings `embed:""`
}

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) }

// run is the program but for the process's exit.
func run(args, environ []string, in io.Reader, out, errs io.Writer) (code int) {
	err := do(args, environ, in, out, errs)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "webim: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(errs, "webim: %v.\n", err)
	return exitFailed
}

func do(args, environ []string, in io.Reader, out, errs io.Writer) error {
	var cli commands
	var helped bool
	parser := newParser(&cli, out, errs, &helped)
	ctx, err := parser.Parse(args)
	if helped {
		return nil
	}
	var value *valueError
	if errors.As(err, &value) {
		return usagef("%v.", err)
	}
	if err != nil {
		return usagef("%v; webim --help lists the commands, webim serve --help the flags.", err)
	}
	var command *withSettings
	switch ctx.Command() {
	case "version":
		fmt.Fprintln(out, "webim", version)
		return nil
	case "serve":
		command = &cli.Serve
	case "check":
		command = &cli.Check
	case "token make":
		return cli.Token.Make.run(environ, out, errs)
	default: // token inspect, with and without a token
		return cli.Token.Inspect.run(environ, in, out)
	}
	c, err := load(&command.Settings, givenFlags(ctx), environ, command.Config)
	if err != nil {
		return err
	}
	if ctx.Command() == "check" {
		return check(c, out)
	}
	return serve(c, out, errs)
}

// givenFlags says which flags are on the command line.
func givenFlags(ctx *kong.Context) map[string]bool {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	return given
}

// newParser makes a parser of command lines that reads values as parse does.
func newParser(cli *commands, out, errs io.Writer, helped *bool) *kong.Kong {
	options := []kong.Option{
		kong.Name("webim"),
		kong.Description("A chat server: rooms over WebSocket, and the page that talks to them."),
		kong.Writers(out, errs),
		kong.Exit(func(int) { *helped = true }),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "serving", Title: "Serving:"},
			{Key: "api", Title: "Server API:"},
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
	parser, err := kong.New(cli, options...)
	if err != nil {
		panic(err) // the struct is wrong: a test would show
	}
	return parser
}

// A valueError is a flag's value that is wrong by itself.
type valueError struct{ error }

// kind reads the flags of one type of setting: kong's Mapper.
type kind string

// Decode reads a flag's value. A list grows with each use of its flag.
func (k kind) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	t := ctx.Scan.Peek()
	text := t.String()
	if t.IsEOL() || t.Type != kong.FlagValueToken && strings.HasPrefix(text, "-") {
		return &valueError{errors.New("its value is missing")}
	}
	ctx.Scan.Pop()
	switch k {
	case "text", "secret": // --config too, which is no setting
		target.SetString(text)
		return nil
	case "list":
		target.Set(reflect.AppendSlice(target, reflect.ValueOf(fields(text))))
		return nil
	}
	s := lookup(ctx.Value.Name, func(s *setting) string { return s.name })
	if err := s.parse(text, target); err != nil {
		return &valueError{err}
	}
	return nil
}

// PlaceHolder is what stands for the value in the help.
func (k kind) PlaceHolder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return map[kind]string{"count": "N", "size": "BYTES", "time": "TIME", "oneof": "WORD", "rate": "N/TIME", "flow": "BYTES/TIME"}[k]
}

// describe adds the default and the variable to a flag's help.
func describe(v *kong.Value) string {
	s := lookup(v.Name, func(s *setting) string { return s.name })
	if s == nil {
		return v.Help
	}
	text := v.Help
	if s.def != "" && s.kind != "bool" {
		text += " Default " + s.def
		if s.dev != "" {
			text += ", with --dev " + s.dev
		}
		text += "."
	}
	return strings.TrimSpace(text)
}
