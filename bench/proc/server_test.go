package proc

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// The announcing line may have any words, and a log on standard error may come before it.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		"webim: open http://127.0.0.1:4321/ in a browser": "ws://127.0.0.1:4321/",
		"listening on 127.0.0.1:4321":                     "ws://127.0.0.1:4321/",
		"listening on [::1]:4321":                         "ws://[::1]:4321/",
	} {
		s, url, err := StartAnnounced(context.Background(), "x", []string{"sh", "-c", `echo "limit of files 127.0.0.9:9" >&2; echo "$0"; exec sleep 600`, says})
		if err != nil || url != want {
			t.Errorf("%q: %s %v", says, url, err)
			continue
		}
		s.Stop()
	}
}

func TestStartAnnounced(t *testing.T) {
	start := func(ctx context.Context, script string) (string, error) {
		s, url, err := StartAnnounced(ctx, "x", []string{"sh", "-c", script})
		if err == nil {
			s.Stop()
		}
		return url, err
	}
	if url, err := start(t.Context(), "echo listening on 127.0.0.1:4711; sleep 600"); err != nil || url != "ws://127.0.0.1:4711/" {
		t.Errorf("%q, %v", url, err)
	}
	if _, err := start(t.Context(), "echo Warning: something; sleep 600"); err == nil || !strings.Contains(err.Error(), "Warning: something") {
		t.Error(err)
	}
	if _, err := start(t.Context(), "printf 'no such thing' >&2; exit 1"); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := start(ctx, "sleep 600"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
