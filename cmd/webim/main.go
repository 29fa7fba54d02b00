package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"webim/cmd/webim/internal/children"
	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/manager"
	"webim/cmd/webim/internal/upgrade"
	"webim/cmd/webim/internal/version"
)

// commands are the commands of the command line. A command has the name of its field.
type commands struct {
	Serve   config.Flags   `cmd:"" help:"Serve until SIGTERM or SIGINT."`
	Check   config.Flags   `cmd:"" help:"Check the settings and print them, as a file for --config, with the source of each value."`
	Erase   eraseCommand   `cmd:"" help:"Make everything that a user has said unreadable for ever, and remove the user from rooms. Takes the settings of serve, whose store it works on, whether webim runs or not."`
	Backup  backupCommand  `cmd:"" help:"Copy the store to a new folder, without the keys of users, whether webim runs or not. Takes the settings of serve."`
	Restore restoreCommand `cmd:"" help:"Replace the store by a backup, while webim does not run. Users that were erased since stay erased. Takes the settings of serve."`
	Export  exportCommand  `cmd:"" help:"Print all messages, or those of a room or a user, as JSON lines, whether webim runs or not. Takes the settings of serve."`
	Import  importCommand  `cmd:"" help:"Publish an export in rooms without messages, whether webim runs or not. Takes the settings of serve."`
	Reload  config.Flags   `cmd:"" help:"Make the running server read its settings again, as SIGHUP does, and print what has changed. Takes the settings of serve: it asks the server at --internal, with a key."`
	Upgrade upgradeCommand `cmd:"" help:"Replace the running server by the program that is now in its place, with its present settings, without closing a connection, and print what became of it. Takes the settings of serve: it asks the server at --internal, with a key."`
	Why     whyCommand     `cmd:"" help:"Print why the last connections of a user, an IP address or an id have ended. Asks a running server at its internal address, with an API key. Takes the settings of serve."`
	Token   tokenCommands  `cmd:"" help:"Make and inspect tokens."`
	Init    initCommand    `cmd:"" help:"Write a commented configuration and fresh secrets to a folder. Nothing is overwritten."`
	Health  healthCommand  `cmd:"" help:"Ask the webim that runs on this machine with these settings whether it serves, for health checks; exit code 1 if it does not. Takes the settings of serve."`
	Version struct{}       `cmd:"" help:"Print the version, and the commit that it was built from."`
}

// A configured command takes all settings.
type configured struct {
	flags *config.Flags
	run   func(c *config.Config, in io.Reader, out, errs io.Writer) error
}

// configured returns the commands that take all settings, by their names.
func (cli *commands) configured() map[string]configured {
	return map[string]configured{
		"serve":   {&cli.Serve, serve},
		"check":   {&cli.Check, check},
		"upgrade": {&cli.Upgrade.Flags, cli.Upgrade.run},
		"reload":  {&cli.Reload, reloadCommand},
		"health":  {&cli.Health.Flags, cli.Health.run},
		"erase":   {&cli.Erase.Flags, cli.Erase.run},
		"backup":  {&cli.Backup.Flags, cli.Backup.run},
		"restore": {&cli.Restore.Flags, cli.Restore.run},
		"export":  {&cli.Export.Flags, cli.Export.run},
		"import":  {&cli.Import.Flags, cli.Import.run},
		"why":     {&cli.Why.Flags, cli.Why.run},
	}
}

func main() {
	children.Reap()
	var err error
	if inherited, err = upgrade.Inherit(); err != nil {
		fmt.Fprintf(os.Stderr, "webim: %v.\n", err)
		os.Exit(exitFailed)
	}
	if pid := upgrade.Guards(); pid != 0 {
		os.Exit(guard(manager.New(slog.Default()), newSignalled(), children.Find(pid)))
	}
	if inherited.InPlace() {
		notifyEarly()
	}
	code := run(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	if code != 0 && inherited.InPlace() {
		code = notTaken(inherited)
	}
	os.Exit(code)
}

// run is main without the call of os.Exit; it returns the exit code.
func run(args, environ []string, in io.Reader, out, errs io.Writer) (code int) {
	err := do(args, environ, in, out, errs)
	var usage *config.UsageError
	switch {
	case err == nil:
		return 0
	case inherited != nil: // the old process tells its operator
		inherited.Fail(err)
	}
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "webim: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(errs, "webim: %v.\n", err)
	return exitFailed
}

// do parses the command line, and runs the command that it names.
func do(args, environ []string, in io.Reader, out, errs io.Writer) error {
	var cli commands
	ctx, err := parse(&cli, args, out, errs)
	if ctx == nil {
		return err
	}
	name, _, _ := strings.Cut(ctx.Command(), " <")
	if command, ok := cli.configured()[name]; ok {
		c, err := command.flags.Load(ctx, environ)
		if err != nil {
			return err
		}
		return command.run(c, in, out, errs)
	}
	switch name {
	case "version":
		_, err := fmt.Fprintln(out, version.Text())
		return err
	case "init":
		return cli.Init.run(out)
	case "token make":
		return cli.Token.Make.run(environ, out, errs)
	}
	return cli.Token.Inspect.run(environ, in, out) // token inspect, with and without a token
}

// parse parses a command line into cli. If the command line asks for help, parse prints it and returns nil.
func parse(cli *commands, args []string, out, errs io.Writer) (*kong.Context, error) {
	var helped bool
	ctx, err := newParser(cli, args, out, errs, &helped).Parse(args)
	var value *config.ValueError
	switch {
	case helped:
		return nil, nil
	case errors.As(err, &value):
		return nil, config.Usagef("%v.", err)
	case err != nil:
		return nil, config.Usagef("%v; webim --help lists the commands, webim serve --help the flags.", err)
	}
	return ctx, nil
}

// newParser returns a parser of the command line args. If args begin with the name of a command, the parser knows only that
// command: all flags of all commands take 40 ms of a processor, and in an upgrade in place the clients wait meanwhile. It sets
// helped when it has printed the help.
func newParser(cli *commands, args []string, out, errs io.Writer, helped *bool) *kong.Kong {
	var grammar any = cli
	options := config.FlagOptions()
	if len(args) > 0 {
		all := reflect.ValueOf(cli).Elem()
		if f, ok := all.Type().FieldByNameFunc(func(name string) bool { return strings.ToLower(name) == args[0] }); ok {
			grammar = &struct{}{}
			options = append(options, kong.DynamicCommand(args[0], f.Tag.Get("help"), "", all.FieldByIndex(f.Index).Addr().Interface()))
		}
	}
	parser, err := kong.New(grammar, append(options,
		kong.Name("webim"),
		kong.Description("A chat server: rooms over WebSocket, and a web page to use them."),
		kong.Writers(out, errs),
		kong.Exit(func(int) { *helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)...)
	if err != nil {
		panic(err) // the struct is wrong; a test would notice
	}
	return parser
}

// check is webim check.
func check(c *config.Config, _ io.Reader, out, _ io.Writer) error { return c.Check(out) }
