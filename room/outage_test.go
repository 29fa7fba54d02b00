package room_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/wire"
)

// outage is an engine whose store fails.
type outage struct {
	*memory.Engine
	err error
}

func (o outage) Publish(_ string, _ engine.Message, done func(engine.Position, error)) {
	done(engine.Position{}, o.err)
}

func (o outage) History(_ string, _ engine.Span, done func(engine.History, error)) {
	done(engine.History{}, o.err)
}

func (o outage) Members(_ string, _ int, done func([]engine.Author, error)) { done(nil, o.err) }

func (o outage) Count(_ string, done func(clients, users int, err error)) { done(0, 0, o.err) }

// TestOutage checks that clients learn why a command has failed if the store of the engine fails, that
// they may try again, and that the log has the cause.
func TestOutage(t *testing.T) {
	for sentence, failure := range map[string]error{
		"the server cannot reach its store":   engine.ErrUnavailable,
		"the message may have been published": engine.ErrUnknown,
		"the server's store is full":          engine.ErrStoreFull,
		"internal server error":               errors.New("another failure"),
	} {
		t.Run(failure.Error(), func(t *testing.T) {
			var log wstest.Log
			c := quietly(openConfig())
			c.Engine, c.Log = outage{memory.New(memory.Limits{}), failure}, slog.New(slog.NewTextHandler(&log, nil))
			n := start(t, c, netpoll.Config{})
			k := n.connect(wire.JSON)
			for what, command := range map[string]*protocol.Command{
				"subscribe": {Subscribe: &protocol.SubscribeRequest{Channel: "r"}},
				"publish":   {Publish: &protocol.PublishRequest{Channel: "r", Data: []byte("{}")}},
				"history":   {History: &protocol.HistoryRequest{Channel: "r", Limit: 1}},
				"presence":  {Presence: &protocol.PresenceRequest{Channel: "r"}},
				"stats":     {PresenceStats: &protocol.PresenceStatsRequest{Channel: "r"}},
			} {
				if e := k.Ask(command).Error; e == nil || e.Code != uint32(wire.ErrInternal) || !e.Temporary || !strings.Contains(e.Message, sentence) {
					t.Errorf("%s: %v, want %q", what, e, sentence)
				}
			}
			plain := n.join("/r", noDeflate)
			if err := plain.send(ws.OpText, "hush"); err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{"a request failed in the server", "a plain client's message is lost"} {
				wstest.Eventually(t, line, func() bool {
					for got := range strings.Lines(log.String()) {
						if strings.Contains(got, line) && strings.Contains(got, failure.Error()) {
							return true
						}
					}
					return false
				})
			}
		})
	}
}

func (o outage) Health() (ok bool, why string) {
	if o.err == nil {
		return true, ""
	}
	return false, o.err.Error()
}

// TestStoreFault checks that the hub reports whether the store of its engine can be used.
func TestStoreFault(t *testing.T) {
	m := memory.New(memory.Limits{})
	for name, c := range map[string]struct {
		e    engine.Engine
		want string
	}{
		"an engine that cannot fail": {m, ""},
		"a store that is well":       {outage{m, nil}, ""},
		"a store that is away":       {outage{m, engine.ErrUnavailable}, "engine: the store cannot be reached"},
	} {
		n := start(t, room.Config{Engine: c.e}, netpoll.Config{})
		why, fault := n.hub.StoreFault()
		if why != c.want || fault != (c.want != "") || n.hub.Stats().Store != c.want {
			t.Errorf("%s: %q, %v, and in the numbers %q", name, why, fault, n.hub.Stats().Store)
		}
	}
}
