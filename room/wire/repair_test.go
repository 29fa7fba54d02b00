package wire_test

import (
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/room/wire"
)

// TestAppendSaysTheRestOfAList checks that an invalid item from an engine does not keep JSON
// clients from reading the other items, in every kind of list.
func TestAppendSaysTheRestOfAList(t *testing.T) {
	list := func() []*protocol.Publication {
		return []*protocol.Publication{{Offset: 1, Data: []byte(`{"n":1}`)}, {Offset: 2, Data: []byte("{")}, {Offset: 3, Data: []byte(`{"n":3}`), Info: &protocol.ClientInfo{User: "u", ConnInfo: []byte("x")}}}
	}
	for name, r := range map[string]*protocol.Reply{
		"history":   {Id: 1, History: &protocol.HistoryResult{Publications: list()}},
		"subscribe": {Id: 1, Subscribe: &protocol.SubscribeResult{Publications: list()}},
		"connect":   {Id: 1, Connect: &protocol.ConnectResult{Subs: map[string]*protocol.SubscribeResult{"r": {Publications: list()}}}},
		"presence":  {Id: 1, Presence: &protocol.PresenceResult{Presence: map[string]*protocol.ClientInfo{"a": {User: "n", ConnInfo: []byte("{")}, "b": {User: "u", ConnInfo: []byte(`{"n":3}`)}}}},
	} {
		line, err := wire.Append(nil, wire.JSON, r)
		if err != nil || !wire.Valid(line) || !strings.Contains(string(line), `"n":3`) {
			t.Errorf("%s: %s, %v", name, line, err)
		}
	}
	if b, err := wire.Append([]byte("x"), wire.JSON, &protocol.Reply{Id: 1, Rpc: &protocol.RPCResult{Data: []byte("{")}}); err == nil || string(b) != "x" {
		t.Errorf("a reply that is no list: %s, %v", b, err)
	}
}
