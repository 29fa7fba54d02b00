package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"webim/netpoll"

	"webim/cmd/webim/internal/testargs"
)

// samples are three values that a setting may have, as all sources write them.
func samples(s *setting) []string {
	switch {
	case strings.HasSuffix(s.name, "listen"):
		return []string{"127.0.0.1:1", "127.0.0.1:2,[::1]:2", "unix:/3"}
	case s.name == "proxy":
		return []string{"10.0.0.0/8", "192.0.2.1,2001:db8::/32", "10.1.0.0/16"}
	case s.kind == "rate":
		return []string{"300/1s", "none", "4097/1m30s"}
	case s.kind == "flow":
		return []string{"300MiB/1s", "none", "4097/1m30s"}
	case s.kind == "list":
		return []string{"https://a.example", "https://b.example,null", "http://c.example:8080"}
	case s.kind == "text" || s.kind == "secret":
		return []string{"one", "two", "three"}
	case s.kind == "bool":
		return []string{"true", "false", "true"}
	case s.kind == "oneof":
		return []string{s.oneOf[0], s.oneOf[len(s.oneOf)-1], s.oneOf[0]}
	case s.name == "history-age" || s.name == "token-jwks-refresh":
		return []string{"1h", "1h1m", "1m30s"}
	case s.kind == "time":
		return []string{"123ms", "1s", "17ms"}
	case s.name == "loops" || s.name == "workers":
		return []string{"7", "8", "9"}
	}
	return []string{"4097", "4098", "4099"}
}

// merge is load without the check of values that belong together. given has for each setting the
// text of each source.
func merge(t *testing.T, given map[*setting][3]string) *config {
	t.Helper()
	c := &config{origins: map[*setting]origin{}}
	file, environ, flags := "", []string{"PATH=/bin"}, []string(nil)
	for s, texts := range given {
		if texts[0] != "" {
			file += s.key() + ": " + yamlOf(s, texts[0]) + "\n"
		}
		if texts[1] != "" {
			environ = append(environ, s.env()+"="+texts[1])
		}
		if texts[2] != "" {
			flags = append(flags, "--"+s.name+"="+texts[2])
		}
	}
	if file != "" {
		if err := c.readFile(write(t, "webim.yaml", file)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.readEnv(environ); err != nil {
		t.Fatal(err)
	}
	if flags != nil {
		command, given := parseFlags(t, flags...)
		c.readFlags(&command.Settings, given)
	}
	c.fillIn()
	return c
}

func yamlOf(s *setting, text string) string {
	if s.kind == "list" {
		return `["` + strings.Join(strings.Split(text, ","), `", "`) + `"]`
	}
	return text
}

// parseFlags parses flags of serve or check, see testargs.WithEngine.
func parseFlags(t *testing.T, flags ...string) (*withSettings, map[string]bool) {
	t.Helper()
	flags = testargs.WithEngine(flags)
	var cli commands
	var helped bool
	ctx, err := newParser(&cli, os.Stdout, os.Stderr, &helped).Parse(append([]string{"check"}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	return &cli.Check, givenFlags(ctx)
}

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPrecedence gives every setting by every combination of sources: the flag
// goes before the variable, the variable before the file.
func TestPrecedence(t *testing.T) {
	sources := []string{fromDefault, fromFile, fromEnv, fromFlag}
	for from := range 8 {
		given := map[*setting][3]string{}
		for _, s := range table {
			var texts [3]string
			for i := range texts {
				if from&(1<<i) != 0 {
					texts[i] = samples(s)[i]
				}
			}
			given[s] = texts
		}
		c := merge(t, given)
		for _, s := range table {
			want, source := s.def, fromDefault
			for i, text := range given[s] {
				if text != "" {
					want, source = text, sources[i+1]
				}
			}
			if got := s.format(s.field(&c.settings)); got != want {
				t.Errorf("%s, given as %q: value %q, want %q", s.name, given[s], got, want)
			}
			if got := c.source(s); got != source {
				t.Errorf("%s, given as %q: source %q, want %q", s.name, given[s], got, source)
			}
		}
	}
}

// TestTable looks for mistakes in the tags.
func TestTable(t *testing.T) {
	for i, s := range table {
		field := reflect.TypeFor[settings]().Field(s.index)
		if want := lookup(s.name, func(s *setting) string { return s.name }); want != s {
			t.Errorf("two settings are named %s", s.name)
		}
		if squashed := strings.ReplaceAll(s.name, "-", ""); !strings.EqualFold(squashed, field.Name) {
			t.Errorf("field %s is named %s", field.Name, s.name)
		}
		if !strings.HasSuffix(s.help, ".") || strings.TrimSpace(s.help) != s.help {
			t.Errorf("%s: the help is no sentence: %q", s.name, s.help)
		}
		for _, text := range []string{s.def, cmp.Or(s.dev, s.def), s.min, s.max} {
			v := reflect.New(field.Type).Elem()
			if err := s.parse(text, v); err != nil && text != "" {
				t.Errorf("%s: %q: %v", s.name, text, err)
			}
			if got := s.format(v); s.kind != "bool" && got != text && text != "" {
				t.Errorf("%s: %q is printed as %q", s.name, text, got)
			}
		}
		if i == 0 && s.name != "dev" {
			t.Error("dev must be the first: others depend on it")
		}
	}
}

// TestDefaultsAreTheLibrarys checks that the defaults in the table and the help are those of
// package netpoll. RunOnLoop is no setting: package room never blocks, so webim always sets it.
func TestDefaultsAreTheLibrarys(t *testing.T) {
	c, err := load(&settings{}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := netpoll.New(c.netpollConfig(), nil).Config(), netpoll.New(netpoll.Config{RunOnLoop: true}, nil).Config()
	a, b := reflect.ValueOf(ours), reflect.ValueOf(theirs)
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if f.Type.Comparable() && f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Interface && !a.Field(i).Equal(b.Field(i)) {
			t.Errorf("%s is %v, the library's default %v", f.Name, a.Field(i), b.Field(i))
		}
	}
}

// TestEverySettingReachesItsLibrary changes one limit at a time.
func TestEverySettingReachesItsLibrary(t *testing.T) {
	configs := func(c *config) [2]string {
		n := c.netpollConfig()
		n.CheckOrigin = nil
		r := c.roomConfig()
		r.Calls = nil // another one each time
		return [2]string{fmt.Sprintf("%+v", n), fmt.Sprintf("%+v %+v", r, c.memoryLimits())}
	}
	standard := configs(merge(t, nil))
	for _, s := range table {
		group := reflect.TypeFor[settings]().Field(s.index).Tag.Get("group")
		if group == "serving" || group == "api" || group == "tokens" || group == "hooks" || group == "store" { // see TestServerAPI, TestTokenSettings, TestStore
			continue
		}
		v := slices.DeleteFunc(samples(s), func(v string) bool { return v == s.def })[0]
		changed := configs(merge(t, map[*setting][3]string{s: {1: v}}))
		limits := group == "limits"
		// A message may take a quarter of max-queue, calls tell max-message, and both dialects have pings.
		rooms := !limits || slices.Contains([]string{"max-queue", "max-message", "ping-interval", "pong-timeout"}, s.name)
		if (changed[0] != standard[0]) != limits || (changed[1] != standard[1]) != rooms {
			t.Errorf("--%s=%s does not reach the library, or the wrong one", s.name, v)
		}
	}
}

func TestAddressesGoTogether(t *testing.T) {
	for _, c := range []struct {
		flags                    string
		listen, secure, internal string
	}{
		{"", ":9501", "", ""},
		{"--dev", "localhost:9501", "localhost:9502", "127.0.0.1:9500"},
		{"--dev --listen 127.0.0.1:0", "127.0.0.1:0", "", ""},
		{"--dev --tls-listen [::1]:0", "", "[::1]:0", ""},
		{"--dev --internal localhost:1", "localhost:9501", "localhost:9502", "localhost:1"},
		{"--dev --listen localhost:1 --listen unix:/a --tls-listen 127.1.2.3:0", "localhost:1,unix:/a", "127.1.2.3:0", ""},
		{"--tls-cert c --tls-key k", ":9501", ":9502", ""},
		{"--tls-cert c --tls-key k --tls-listen :443", "", ":443", ""},
		{"--dev --tls-cert c --tls-key k", "localhost:9501", "localhost:9502", "127.0.0.1:9500"},
		{"--listen :1,:2 --internal unix:/a --api-key 0123456789abcdef", ":1,:2", "", "unix:/a"},
	} {
		command, given := parseFlags(t, strings.Fields(c.flags)...)
		cfg, err := load(&command.Settings, given, nil, "")
		if err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		if l, s := strings.Join(cfg.Listen, ","), strings.Join(cfg.TLSListen, ","); l != c.listen || s != c.secure || cfg.Internal != c.internal {
			t.Errorf("%s: listens on %q, %q and %q, want %q, %q and %q", c.flags, l, s, cfg.Internal, c.listen, c.secure, c.internal)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1B": 1, "65536": 65536, "64KiB": 65536, "64 KiB": 65536, "1MiB": 1 << 20, "3GiB": 3 << 30, "1TiB": 1 << 40,
		"8388607TiB": 8388607 << 40,
	} {
		if n, ok := parseSize(text); !ok || n != want {
			t.Errorf("%q is %d, %v, want %d", text, n, ok, want)
		}
	}
	for _, text := range []string{"", "KiB", "64KB", "64k", "1.5MiB", "1e6", "0x10", "1_000", "8388608TiB", "99999999999999999999", "64KiBKiB", "-"} {
		if n, ok := parseSize(text); ok {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
}
