package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/setting"
)

// reloads prove of each setting that a reload changes that it does. A row has the keys of settings, and a test that changes them and
// sees the difference.
var reloads = []struct {
	keys  string
	prove func(*testing.T) *reloading
}{
	{"tls_cert tls_key", reloadCertificate},
	{"allow_origin log_level", reloadOthers},
	{"api_key api_key_file api_key_rights metrics_open", reloadAPIKeys},
	{"api api_host", reloadAPI},
	{"token_secret token_secret_file token_public_key token_issuer token_audience token_leeway insecure", reloadTokens},
	{"token_jwks token_jwks_refresh", reloadJWKS},
	{"hook_connect hook_refresh hook_subscribe hook_publish hook_rpc hook_disconnect hook_headers hook_secret hook_secret_file", reloadHooks},
	{"hook_rooms hook_open hook_timeout hook_concurrency", reloadHookRules},
	{"drain_delay shutdown_spread shutdown_timeout upgrade_by", reloadTimes},
	{"open history_messages history_bytes history_age history_total", reloadRooms},
	{"max_conns max_conns_per_ip max_handshakes_per_ip proxy max_head max_tls_handshakes max_http handshake_timeout write_timeout close_timeout message_timeout max_message " +
		"max_fragments max_unfinished control_rate max_first_message max_queue max_queued high_water low_water deflate deflate_min", reloadConnections},
	{"max_publication max_rooms max_members max_unswept max_pause max_conns_per_user max_rooms_per_conn max_commands max_calls max_presence max_text max_graphemes personal max_reply max_replies", reloadRoomLimits},
	{"rate_join rate_send rate_typing rate_read rate_rpc rate_other rate_input rate_fanout rate_recovered max_refusals user_rate_join user_rate_send user_rate_typing user_rate_read user_rate_rpc " +
		"user_rate_other user_rate_input user_rate_fanout user_rate_recovered", reloadRates},
}

// TestReloadOfEachSetting checks that each setting that a reload changes has a row, and runs the rows. Those that need an upgrade or
// a restart are in TestReloadHasEachSetting of package config.
func TestReloadOfEachSetting(t *testing.T) {
	var missing []string
	for _, s := range config.Table {
		if s.Change == setting.ByReload {
			missing = append(missing, s.Key())
		}
	}
	for _, row := range reloads {
		keys := strings.Fields(row.keys)
		for _, key := range keys {
			at := slices.Index(missing, key)
			if at < 0 {
				t.Errorf("%s has two rows, or no reload changes it", key)
				continue
			}
			missing = slices.Delete(missing, at, at+1)
		}
		t.Run(keys[0], func(t *testing.T) {
			r := row.prove(t)
			for _, key := range keys {
				if !r.changed[key] {
					t.Errorf("%s was not changed", key)
				}
			}
		})
	}
	if len(missing) > 0 {
		t.Errorf("no row for %v", missing)
	}
}

// differing returns the keys of the settings that differ.
func differing(a, b *config.Config) (keys []string) {
	for _, s := range config.Table {
		if !reflect.DeepEqual(s.Field(&a.Settings).Interface(), s.Field(&b.Settings).Interface()) {
			keys = append(keys, s.Key())
		}
	}
	return keys
}

// A limit is a setting with another value, and the field of a configuration of package netpoll or room that has it.
type limit struct{ key, value, field string }

// compareLimits checks that each field of a configuration that is in use has the value of its setting in c.
func compareLimits(t *testing.T, c *config.Config, in any, limits []limit) {
	t.Helper()
	for _, l := range limits {
		s := config.Lookup(l.key, (*setting.Setting).Key)
		want, got := s.Field(&c.Settings), reflect.ValueOf(in)
		for name := range strings.SplitSeq(l.field, ".") {
			got = got.FieldByName(name)
		}
		if !reflect.DeepEqual(want.Convert(got.Type()).Interface(), got.Interface()) {
			t.Errorf("%s is %v, and %s in use is %v", l.key, want, l.field, got)
		}
	}
}

// lines returns the limits as lines of a file.
func lines(limits []limit) (text string) {
	for _, l := range limits {
		text += l.key + ": " + l.value + "\n"
	}
	return text
}
