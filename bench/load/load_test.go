package load

import (
	"testing"
)

func TestHints(t *testing.T) {
	for _, what := range []string{"cannot assign requested address", "too many open files", "HTTP status 429"} {
		if hint(what) == "" {
			t.Errorf("%q has no hint", what)
		}
	}
}

func TestClientCommit(t *testing.T) {
	t.Parallel()
	if got := commit("v1.2"); got != "v1.2" {
		t.Errorf("%q", got)
	}
	if got := commit("dev"); got == "" || got == "dev" {
		t.Errorf("%q", got)
	}
}
