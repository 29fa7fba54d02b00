package jetstream

import (
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/state"
)

// TestRenewedByAnotherNode gives streams another incarnation, as another node does that has noticed a loss. This node, which
// keeps its connection, follows, and its room gets another epoch.
func TestRenewedByAnotherNode(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always, compareEvery: 20 * time.Millisecond})
	members := subscribe(t, e, "r")
	was := publish(t, e, "r", text("1")).pos
	for _, name := range []string{e.class("r").Stream, state.Stream, keys.Stream} {
		stream, err := e.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.streams.Renew(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		want := info.CachedInfo().Config.Metadata["webim-incarnation"]
		wstest.Eventually(t, "the node knows the new incarnation of "+name, func() bool {
			known := map[string]string{state.Stream: e.state.Incarnation(), keys.Stream: e.userKeys.Incarnation(), e.class("r").Stream: *e.class("r").incarnation.Load()}
			return known[name] == want
		})
	}
	members.wait(t, "another epoch", func() bool { return members.begins[len(members.begins)-1].Epoch != was.Epoch })
	if got := publish(t, e, "r", text("2")); got.err != nil || got.pos.Epoch == was.Epoch {
		t.Errorf("%+v after %v", got, was)
	}
}
