// Command webim is a chat server: rooms over WebSocket, and a web page to use them.
//
//	webim serve --dev       serve on this machine, for trials
//	webim serve             serve clients
//	webim check             print the settings and check them
//	webim token make        make a token for a client
//	webim token inspect     print a token and verify it
//	webim version           print the version
//
// Every setting has a flag (--max-conns), an environment variable (WEBIM_MAX_CONNS) and a key
// in the file that --config names (max_conns). A flag overrides the variable; the variable
// overrides the file.
//
// SIGTERM and SIGINT make the server disconnect its clients, spread over --shutdown-spread, and
// then exit; meanwhile it refuses new clients with 503. A second signal makes it exit at once.
// SIGHUP never ends it: it makes the server reload the certificate, which it also reloads when
// the files change. If NOTIFY_SOCKET names a service manager's socket, the server reports these
// states there.
//
// check reports everything that serve would report about the same settings, because both call
// config.prepare. An error names the place where its author made it: the flag, the variable, or
// the line and key of the file. The defaults make a working chat; if the file makes the page
// unusable for everybody, there is a warning.
//
// The exit code is 0 after SIGTERM or SIGINT, 1 if the server cannot serve, and 2 if a setting
// is wrong.
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

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commands are the commands of the command line.
type commands struct {
	Serve   withSettings  `cmd:"" help:"Serve until SIGTERM or SIGINT."`
	Check   withSettings  `cmd:"" help:"Check the settings and print them, as a file for --config, with the source of each value."`
	Token   tokenCommands `cmd:"" help:"Make and inspect tokens."`
	Version struct{}      `cmd:"" help:"Print the version, and the commit that it was built from."`
}

// withSettings is a command that takes all settings as flags.
type withSettings struct {
	Config   string   `short:"c" type:"text" placeholder:"FILE" group:"serving" help:"Settings in YAML; the keys are the flags' names with _ for -."`
	Settings settings `embed:""`
}

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the call of os.Exit; it returns the exit code.
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
		fmt.Fprintln(out, versionText())
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

// givenFlags returns the names of the flags on the command line.
func givenFlags(ctx *kong.Context) map[string]bool {
	given := map[string]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	return given
}

// newParser returns a parser of command lines that reads values with setting.parse.
func newParser(cli *commands, out, errs io.Writer, helped *bool) *kong.Kong {
	options := []kong.Option{
		kong.Name("webim"),
		kong.Description("A chat server: rooms over WebSocket, and a web page to use them."),
		kong.Writers(out, errs),
		kong.Exit(func(int) { *helped = true }),
		kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
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
	parser, err := kong.New(cli, options...)
	if err != nil {
		panic(err) // the struct is wrong; a test would notice
	}
	return parser
}

// A valueError reports a flag with a value that is wrong in itself.
type valueError struct{ error }

// kind decodes the flags of one type of setting. It implements kong.Mapper.
type kind string

// Decode decodes a flag's value. Each use of a list flag appends to the list.
func (k kind) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	t := ctx.Scan.Peek()
	text := t.String()
	if t.IsEOL() || t.Type != kong.FlagValueToken && strings.HasPrefix(text, "-") {
		return &valueError{errors.New("its value is missing")}
	}
	ctx.Scan.Pop()
	switch k {
	case "text", "secret": // also --config, which is not a setting
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

// PlaceHolder returns the placeholder for the value in the help.
func (k kind) PlaceHolder(f *kong.Flag) string {
	if f.PlaceHolder != "" {
		return f.PlaceHolder
	}
	return map[kind]string{"count": "N", "size": "BYTES", "time": "TIME", "oneof": "WORD", "rate": "N/TIME", "flow": "BYTES/TIME"}[k]
}

// describe adds the defaults to a flag's help.
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
