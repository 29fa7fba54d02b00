package config

import (
	"fmt"
	"strings"
	"testing"

	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/setting"
)

// Keys have names, and rights by name, in every source of the settings.
func TestAPIKeySettings(t *testing.T) {
	ci, ops := write(t, "ci.key", "0123456789abcdef\n"), write(t, "ops.key", "fedcba9876543210\n")
	keysOf := func(environ []string, args ...string) string {
		t.Helper()
		command, given := parseFlags(t, append([]string{"--internal", "127.0.0.1:0"}, args...)...)
		c, err := Load(&command.Settings, given, environ, "")
		if err != nil {
			return err.Error()
		}
		keys, err := c.apiKeys()
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, k := range keys {
			all = append(all, strings.ReplaceAll(fmt.Sprint(k.Name, k.Rights), ops, "OPS"))
		}
		return strings.Join(all, " ")
	}
	file := "WEBIM_CONFIG=" + write(t, "webim.yaml", "api_key_file: [ci="+ci+", "+ops+"]\napi_key_rights:\n  - ci=publish@team-*\n  - ci=history\n")
	for _, c := range []struct {
		environ []string
		args    string
		want    string
	}{
		{[]string{file}, "", "ci[{publish team-*} {history }] OPS[]"},
		{nil, "--api-key-file ci=" + ci + " --api-key-file " + ops, "ci[] OPS[]"},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights ci=*@team-*", "ci[{* team-*}]"},
		{[]string{"WEBIM_API_KEY=0123456789abcdef", "WEBIM_API_KEY_RIGHTS=api_key=publish,api_key=history@a"}, "", "api_key[{publish } {history a}]"},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights ci=metrics,ci=pprof", "ci[{metrics } {pprof }]"},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights ci=metrics@team-*", `--api-key-rights: there is no method "metrics"`},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights other=publish", `--api-key-rights: there is no key "other"`},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights publish", `--api-key-rights: "publish" is not a right`},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights ci=pub", `--api-key-rights: there is no method "pub"`},
		{nil, "--api-key-file ci=" + ci + " --api-key-rights ci=publish@", "names no rooms"},
		{nil, "--api-key-file ci=" + ci + " --api-key-file ci=" + ops, `--api-key-file: "ci" is not a valid name, or two keys have it`},
		{[]string{"WEBIM_API_KEY=0123456789abcdef"}, "--api-key-file api_key=" + ops, "two keys"},
	} {
		if got := keysOf(c.environ, strings.Fields(c.args)...); !strings.Contains(got, c.want) {
			t.Errorf("%v %s: %s, want %s", c.environ, c.args, got, c.want)
		}
	}
}

// TestRightsInHelp checks that the help names each right that a key may have besides the methods of the API.
func TestRightsInHelp(t *testing.T) {
	help := Lookup("api_key_rights", (*setting.Setting).Key).Help
	for _, right := range operator.Rights {
		if !strings.Contains(help, " "+right+" ") {
			t.Errorf("the help of --api-key-rights does not name %s: %s", right, help)
		}
	}
}
