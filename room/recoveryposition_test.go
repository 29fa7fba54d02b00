package room_test

import (
	"slices"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// TestRecoveryTellsThePosition checks that a client that recovers is told the position that it
// named: each missed publication moves it on from there, so that a client that disconnects
// halfway recovers the rest. A client that does not recover is told the last position of the
// room, or, if it does not accept that, gets an error and is no member.
func TestRecoveryTellsThePosition(t *testing.T) {
	keeps := func(messages int, recoverable bool) policy.Options {
		return policy.Options{Rights: policy.OpenRights(), Recoverable: recoverable, History: engine.Retention{Messages: messages, Bytes: 1 << 20, Age: time.Minute}}
	}
	c := quietly(openConfig())
	c.Options = policy.Patterns{{Match: "short*", Options: keeps(2, true)}, {Match: "bare*", Options: keeps(9, false)}, {Match: "*", Options: keeps(9, true)}}.Options
	n := start(t, c, netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k := n.connect(enc)
		for _, room := range []string{"long", "short", "bare"} {
			for _, data := range []string{"1", "2", "3"} {
				k.Publish(room+" "+enc.String(), data)
			}
		}
		for _, one := range []struct {
			room   string
			epoch  string // "=": the room's
			offset uint64
			strict bool
			stands uint64
			missed []uint64 // nil: not recovered
			fails  bool
		}{
			{"long", "=", 1, false, 1, []uint64{2, 3}, false},
			{"long", "=", 1, true, 1, []uint64{2, 3}, false},
			{"long", "=", 3, true, 3, []uint64{}, false},
			{"long", "=", 4, false, 3, nil, false},
			{"long", "=", 4, true, 0, nil, true},
			{"long", "another", 1, false, 3, nil, false},
			{"long", "another", 1, true, 0, nil, true},
			{"long", "another", 0, false, 3, nil, false},
			{"long", "", 1, false, 3, nil, false}, // of which epoch it cannot tell
			{"long", "", 1, true, 0, nil, true},
			{"long", "", 0, true, 0, []uint64{1, 2, 3}, false}, // from before the first, in any epoch
			{"short", "", 0, true, 0, nil, true},
			{"short", "=", 0, false, 3, nil, false},
			{"short", "=", 1, true, 1, []uint64{2, 3}, false},
			{"empty", "", 0, true, 0, []uint64{}, false},
			{"bare", "=", 1, true, 0, nil, false}, // it cannot recover there, as the reply tells
		} {
			room := one.room + " " + enc.String()
			epoch := func() string {
				return k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: room}}).History.GetEpoch()
			}
			r := &protocol.SubscribeRequest{Channel: room, Recoverable: true, Recover: true, Epoch: one.epoch, Offset: one.offset, Flag: 1}
			if one.epoch == "=" {
				r.Epoch = epoch()
			}
			if one.strict {
				r.Flag |= 2 // reject what cannot be recovered
			}
			if one.fails {
				k.expectError(t, wire.ErrUnrecoverablePosition, &protocol.Command{Subscribe: r})
				if s := n.hub.Stats(); s.Members != 0 {
					t.Errorf("%+v: %+v", one, s)
				}
				continue
			}
			got := k.Subscribe(r)
			missed := []uint64{}
			for _, p := range got.Publications {
				missed = append(missed, p.Offset)
			}
			if got.Offset != one.stands || got.Recovered != (one.missed != nil) || !slices.Equal(missed, one.missed) || !got.WasRecovering || got.Id != 0 {
				t.Errorf("%+v: %v", one, got)
			}
			if got.Recoverable == (one.room == "bare") || got.Recoverable && got.Epoch != epoch() {
				t.Errorf("%+v: %v", one, got)
			}
			k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: room}})
		}
		k.raw().leave(t)
	})
}
