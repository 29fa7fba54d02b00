package config

import (
	"reflect"
	"slices"
	"testing"

	"webim/cmd/webim/internal/setting"
	"webim/room/budget"
)

// The defaults of the settings are those in the table of package budget, and --dev has none of these
// limits.
func TestBudgetsAreTheSettings(t *testing.T) {
	for _, row := range slices.Concat(budget.Commands, budget.Bytes) {
		for name, want := range map[string]budget.Rate{row.Setting: row.ConnRate, "user-" + row.Setting: row.UserRate} {
			s := Lookup(name, func(s *setting.Setting) string { return s.Name })
			if s == nil {
				t.Errorf("%s: there is no setting --%s", row.Name, name)
				continue
			}
			var got budget.Rate
			if err := s.Parse(s.Def, reflect.ValueOf(&got).Elem()); err != nil || got != want {
				t.Errorf("--%s is %v by default, %v; package budget says %v", name, got, err, want)
			}
			if s.Dev != "none" {
				t.Errorf("--%s is %q with --dev", name, s.Dev)
			}
		}
	}
}
