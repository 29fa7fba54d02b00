package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Where a value comes from. Each source overrides those before it.
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
	rooms   []roomSettings // of the file
	unknown []string       // variables WEBIM_… that name no setting
}

// An origin is where a value comes from.
type origin struct {
	source string
	place  string // as the user knows it: --max-conns, WEBIM_MAX_CONNS, chat.yaml:3: max_conns
}

// A usageError is a wrong setting: one sentence for its author. Exit code 2.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// load makes the configuration of flags (given says which were there), the
// environment, the file, if one is named, and the defaults. The error is a
// usageError.
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
	return c, c.validate()
}

// set stores a value from the file or the environment.
func (c *config) set(s *setting, from origin, text string) error {
	if err := s.parse(text, s.field(&c.settings)); err != nil {
		return usagef("%s: %v.", from.place, err)
	}
	c.origins[s] = from
	return nil
}

// readEnv reads the variables. An empty one counts as not there, since that is
// all that a compose file can do, but for a secret: there it is a mistake that
// must not open the server. An unknown one is no error: for a service
// named webim, Kubernetes sets WEBIM_PORT and a dozen others.
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

// readFlags takes the values of the flags that are given.
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

// fillIn gives defaults to what nobody has set. The addresses go together: who
// names one gets no other.
func (c *config) fillIn() {
	for _, s := range table { // --dev is the first
		if _, ok := c.origins[s]; ok {
			continue
		}
		text := s.def
		if c.Dev && s.dev != "" {
			text = s.dev
		}
		if err := s.parse(text, s.field(&c.settings)); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.name, err)) // the table is wrong: a test would show
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

// source says where a value comes from.
func (c *config) source(s *setting) string {
	if o, ok := c.origins[s]; ok {
		return o.source
	}
	return fromDefault
}

// given reports whether a setting is set, be it to nothing.
func (c *config) given(key string) bool {
	_, given := c.origins[lookup(key, (*setting).key)]
	return given
}

// place names a setting as its author wrote it.
func (c *config) place(key string) string { return c.placeLike(key, key) }

// placeLike is place; a setting that nobody wrote is called as one writes it where
// another setting is.
func (c *config) placeLike(key, other string) string {
	if o, ok := c.origins[lookup(key, (*setting).key)]; ok {
		return o.place
	}
	return c.called(key, "", other)
}

// called is a setting, with a value if there is one, as one writes it where another
// setting is: as a flag, as a variable or in the file.
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
		return name // a flag needs no true
	}
	return name + equals + value
}

// inTerms writes settings that stand in a sentence as {key} or {key value} as one writes
// them where another setting is.
func (c *config) inTerms(sentence, other string) string {
	return settingNames.ReplaceAllStringFunc(sentence, func(name string) string {
		key, value, _ := strings.Cut(strings.Trim(name, "{}"), " ")
		return c.called(key, value, other)
	})
}

var settingNames = regexp.MustCompile(`\{[a-z_]+( [^{}]*)?\}`)

// mistake is a usageError about a setting: its place, and what is wrong there, in which
// other settings are named as inTerms has them.
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
			p.text = "" // which is a mistake, and must not open the server
		case s.kind != "list" || !p.word: // null is an origin
			return usagef("%s:%d: %s has no value: write one behind the colon, or leave the line out.", name, p.line, p.key)
		}
		place := fmt.Sprintf("%s:%d: %s", name, p.line, p.key)
		if err := c.set(s, origin{fromFile, place}, p.text); err != nil {
			return err
		}
	}
	return nil
}
