package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// The sources of a value. Each source overrides those before it.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromEnv     = "env"
	fromFlag    = "flag"
)

// config is the effective configuration.
type config struct {
	settings
	origins map[*setting]origin
	rooms   []roomSettings // from the file's section rooms
	unknown []string       // variables WEBIM_… that match no setting
	engine  string         // see chooseEngine
	folder  string         // of the embedded store
}

// An origin is the place where a value was set.
type origin struct {
	source string
	place  string // as the user wrote it: --max-conns, WEBIM_MAX_CONNS, chat.yaml:3: max_conns
}

// A usageError reports a wrong setting, in one sentence for its author. The exit code is 2.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// load merges flags, environment, file and defaults into a configuration, and validates it.
// given holds the flags on the command line; file may be "". The error is a usageError.
func load(flags *settings, given map[string]bool, environ []string, file string) (*config, error) {
	c := &config{origins: map[*setting]origin{}}
	if file == "" {
		file = variable(environ, "WEBIM_CONFIG")
	}
	if file != "" {
		if err := c.readFile(file); err != nil {
			return nil, err
		}
	}
	if err := c.readEnv(environ); err != nil {
		return nil, err
	}
	c.readFlags(flags, given)
	c.fillIn()
	if c.chooseEngine(environ); c.isDurable() {
		c.fillInDurable()
	}
	return c, c.validate()
}

// set stores a value from the file or the environment, and its origin.
func (c *config) set(s *setting, from origin, text string) error {
	if err := s.parse(text, s.field(&c.settings)); err != nil {
		return usagef("%s: %v.", from.place, err)
	}
	c.origins[s] = from
	return nil
}

// readEnv reads the variables. It ignores an empty variable, because a compose file cannot
// leave one out, unless the setting is a secret: an empty secret is an error that must not open
// the server. An unknown variable is not an error: for a service named webim, Kubernetes sets
// WEBIM_PORT and a dozen others.
func (c *config) readEnv(environ []string) error {
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "WEBIM_") || name == "WEBIM_CONFIG" {
			continue
		}
		s := lookup(name, (*setting).env)
		if value == "" && (s == nil || s.kind != "secret") {
			continue
		}
		if s == nil {
			c.unknown = append(c.unknown, name)
		} else if err := c.set(s, origin{fromEnv, name}, value); err != nil {
			return err
		}
	}
	slices.Sort(c.unknown)
	return nil
}

// readFlags stores the values of the given flags.
func (c *config) readFlags(flags *settings, given map[string]bool) {
	for _, s := range table {
		if given[s.name] {
			s.field(&c.settings).Set(s.field(flags))
			c.origins[s] = origin{fromFlag, "--" + s.name}
		}
	}
}

func variable(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// fillIn sets the defaults of settings without a value. The addresses are one group: if one of
// them is set, the others have no default.
func (c *config) fillIn() {
	for _, s := range table { // --dev is the first setting
		if _, ok := c.origins[s]; ok {
			continue
		}
		text := s.def
		if c.Dev && s.dev != "" {
			text = s.dev
		}
		if err := s.parse(text, s.field(&c.settings)); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.name, err)) // the table is wrong; a test would notice
		}
	}
	plain, secure := c.given("listen"), c.given("tls_listen")
	if (plain || secure) && !c.given("internal") {
		c.Internal = ""
	}
	switch {
	case plain && !secure:
		c.TLSListen = nil
	case secure && !plain:
		c.Listen = nil
	case !plain && !c.Dev && c.TLSCert != "":
		c.TLSListen = []string{":9502"}
	}
}

// fillInDurable sets the defaults that are different if messages outlive the process.
func (c *config) fillInDurable() {
	for _, s := range table {
		if _, ok := c.origins[s]; ok || s.durable == "" {
			continue
		}
		if err := s.parse(s.durable, s.field(&c.settings)); err != nil {
			panic(fmt.Sprintf("durable default of %s: %v", s.name, err)) // the table is wrong; a test would notice
		}
	}
}

// source returns the source of a setting's value.
func (c *config) source(s *setting) string {
	if o, ok := c.origins[s]; ok {
		return o.source
	}
	return fromDefault
}

// given reports whether a setting has been set, also if to an empty value.
func (c *config) given(key string) bool {
	_, given := c.origins[lookup(key, (*setting).key)]
	return given
}

// place returns the place of a setting, for an error.
func (c *config) place(key string) string { return c.placeLike(key, key) }

// placeLike is like place; if the setting has not been set, it is named in the style of other's
// source.
func (c *config) placeLike(key, other string) string {
	if o, ok := c.origins[lookup(key, (*setting).key)]; ok {
		return o.place
	}
	return c.called(key, "", other)
}

// called names a setting, with the value unless it is "", in the style of the source of the
// setting other: as a flag, as a variable, or as a line of the file.
func (c *config) called(key, value, other string) string {
	s := lookup(key, (*setting).key)
	name, equals := "--"+s.name, " "
	switch c.source(lookup(other, (*setting).key)) {
	case fromEnv:
		name, equals = s.env(), "="
	case fromFile:
		name, equals = s.key(), ": "
	}
	switch {
	case value == "":
		return name
	case value == "true" && equals == " ":
		return name // a flag without a value means true
	}
	return name + equals + value
}

// inTerms replaces each {key} and {key value} in a sentence with that setting, named by called
// in the style of other.
func (c *config) inTerms(sentence, other string) string {
	return settingNames.ReplaceAllStringFunc(sentence, func(name string) string {
		key, value, _ := strings.Cut(strings.Trim(name, "{}"), " ")
		return c.called(key, value, other)
	})
}

var settingNames = regexp.MustCompile(`\{[a-z_]+( [^{}]*)?\}`)

// mistake returns a usageError that begins with the place of the setting. format may name other
// settings as inTerms expects them.
func (c *config) mistake(key, format string, args ...any) error {
	return usagef("%s"+c.inTerms(format, key), append([]any{c.place(key)}, args...)...)
}

// readFile reads the settings of a YAML file.
func (c *config) readFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return usagef("the configuration file cannot be read: %v.", err)
	}
	pairs, err := parseYAML(b)
	if err != nil {
		return usagef("%s%v.", name, err)
	}
	for _, p := range pairs {
		if p.key == "rooms" {
			if c.rooms, err = readRooms(name, p.node); err != nil {
				return usagef("%s%s", name, sentence(err))
			}
			continue
		}
		s := lookup(p.key, (*setting).key)
		if s == nil {
			return usagef("%s:%d: there is no setting %q%s", name, p.line, p.key, suggestion(p.key))
		}
		if p.list && s.kind != "list" {
			return usagef("%s:%d: %s takes one value, not a list.", name, p.line, p.key)
		}
		switch {
		case !p.empty:
		case s.kind == "secret":
			p.text = "" // an empty secret is an error that must not open the server
		case s.kind != "list" || !p.word: // the word null is a valid origin in a list
			return usagef("%s:%d: %s has no value: write one behind the colon, or leave the line out.", name, p.line, p.key)
		}
		place := fmt.Sprintf("%s:%d: %s", name, p.line, p.key)
		if err := c.set(s, origin{fromFile, place}, p.text); err != nil {
			return err
		}
	}
	return nil
}
