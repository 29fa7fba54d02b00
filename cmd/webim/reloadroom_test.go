package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/cmd/webim/internal/roomsfile"
	"webim/netpoll/wstest"
)

// roomReloads prove of the settings of an entry of rooms that a reload changes them. A probe looks at the room from a new connection.
var roomReloads = []struct {
	key           string
	value         string // which needs is there already
	needs         string
	probe         func(t *testing.T, r *reloading) string
	before, after string
}{
	{"history", "10", "", probeHistory, "error 108", "1 messages"},
	{"history_bytes", "400KiB", "max_publication: 100KiB\n    history: 10", probeHistoryBytes, "6 messages", "4 messages"},
	{"max_publication", "1KiB", "", probePublication, "taken", "error 106"},
	{"recover", "true", "history: 10", probeRecover, "recoverable false", "recoverable true"},
	{"presence", "true", "", probePresence, "error 108", "2 present"},
	{"join_leave", "true", "", probeJoin(true), "not told", "told"},
	{"force_join_leave", "true", "join_leave: true", probeJoin(false), "not told", "told"},
	{"binary", "true", "", probeBinary, "joined", "disconnected 3506"},
}

// TestReloadOfEachRoomSetting runs the rows. TestReloadRights has allow, and reloadRooms the age of messages.
func TestReloadOfEachRoomSetting(t *testing.T) {
	rows := []string{"match", "allow", "history_age"}
	for _, row := range roomReloads {
		rows = append(rows, row.key)
		t.Run(row.key, func(t *testing.T) {
			entry := func(more string) string {
				const allow = "\n    allow: {join: anonymous, read: anonymous, send: anonymous, history: anonymous, presence: anonymous}\n    "
				return "rooms:\n  - match: " + telling + allow + "join_leave: true\n    force_join_leave: true\n  - match: '*'" + allow + row.needs + "\n" + more
			}
			r := startReloading(t, entry(""))
			if got := row.probe(t, r); got != row.before {
				t.Errorf("before: %s, want %s", got, row.before)
			}
			r.says(r.reload(entry("    "+row.key+": "+row.value+"\n")), "rooms (changed *) have changed")
			if got := row.probe(t, r); got != row.after {
				t.Errorf("after: %s, want %s", got, row.after)
			}
		})
	}
	for _, s := range roomsfile.Table {
		if !slices.Contains(rows, s.Key()) {
			t.Errorf("no row for %s", s.Key())
		}
	}
}

const (
	probed  = "probed"  // the room of the tests. The connection of a probe stays in it.
	telling = "telling" // a room whose members are always told of joins
)

func openProbe(t *testing.T, r *reloading) *wstest.Protocol {
	t.Helper()
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	return s
}

func probeHistory(t *testing.T, r *reloading) string {
	s := openProbe(t, r)
	s.Publish(probed, `{}`)
	return history(s)
}

func history(s *wstest.Protocol) string {
	reply := s.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: probed, Limit: -1}})
	if reply.Error != nil {
		return fmt.Sprint("error ", reply.Error.Code)
	}
	return fmt.Sprintf("%d messages", len(reply.History.Publications))
}

func probeHistoryBytes(t *testing.T, r *reloading) string {
	s := openProbe(t, r)
	for range 6 {
		s.Publish(probed, `"`+strings.Repeat("a", 90<<10)+`"`)
	}
	return history(s)
}

func probePublication(t *testing.T, r *reloading) string {
	s := openProbe(t, r)
	reply := s.Ask(&protocol.Command{Publish: &protocol.PublishRequest{Channel: probed, Data: []byte(`"` + strings.Repeat("a", 2<<10) + `"`)}})
	if reply.Error != nil {
		return fmt.Sprint("error ", reply.Error.Code)
	}
	return "taken"
}

func probeRecover(t *testing.T, r *reloading) string {
	return fmt.Sprint("recoverable ", openProbe(t, r).Subscribe(&protocol.SubscribeRequest{Channel: probed, Recoverable: true}).Recoverable)
}

func probePresence(t *testing.T, r *reloading) string {
	s := openProbe(t, r)
	s.Subscribe(&protocol.SubscribeRequest{Channel: probed})
	reply := s.Ask(&protocol.Command{Presence: &protocol.PresenceRequest{Channel: probed}})
	if reply.Error != nil {
		return fmt.Sprint("error ", reply.Error.Code)
	}
	return fmt.Sprintf("%d present", len(reply.Presence.Presence))
}

// probeJoin returns the probe whether a member is told that another one joins. It asks for that, or not.
func probeJoin(asks bool) func(t *testing.T, r *reloading) string {
	return func(t *testing.T, r *reloading) string {
		s := openProbe(t, r)
		s.Subscribe(&protocol.SubscribeRequest{Channel: probed, JoinLeave: asks})
		s.Subscribe(&protocol.SubscribeRequest{Channel: telling})
		openProbe(t, r).Subscribe(&protocol.SubscribeRequest{Channel: probed})
		told := "not told"
		for range 2 { // the news of the second join here, which comes when that of the first one has come, is behind any of the room before
			other := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
			id := other.Connect(&protocol.ConnectRequest{}).Client
			other.Subscribe(&protocol.SubscribeRequest{Channel: telling})
			for came := false; !came; {
				push := s.Push()
				if push.Join != nil && push.Channel == probed {
					told = "told"
				}
				came = push.Join != nil && push.Channel == telling && push.Join.Info.Client == id
			}
		}
		return told
	}
}

func probeBinary(t *testing.T, r *reloading) string {
	s := openProbe(t, r)
	if err := s.Say(&protocol.Command{Id: 50, Subscribe: &protocol.SubscribeRequest{Channel: probed}}); err != nil {
		t.Fatal(err)
	}
	reply, err := s.Next()
	var end wstest.ClosedError
	switch {
	case errors.As(err, &end):
		return fmt.Sprint("disconnected ", end.Code)
	case err != nil || reply.Error != nil:
		t.Errorf("%v, %v", reply, err)
	}
	return "joined"
}

// TestReloadBinary makes a room binary in which there is a client that speaks JSON: it leaves, as it could not read what comes.
func TestReloadBinary(t *testing.T) {
	const rooms = "rooms:\n  - match: '*'\n    allow: {join: anonymous, read: anonymous, send: anonymous}\n"
	r := startReloading(t, rooms)
	inJSON, inProtobuf := openProbe(t, r), wstest.OpenProtocol(t, r.addr(), "/connection/websocket", true)
	inProtobuf.Connect(&protocol.ConnectRequest{})
	for _, s := range []*wstest.Protocol{inJSON, inProtobuf} {
		s.Subscribe(&protocol.SubscribeRequest{Channel: probed})
	}
	r.says(r.reload(rooms+"    binary: true\n"), "rooms (changed *) have changed")
	inProtobuf.Publish(probed, "\xff\x00")
	if push := inProtobuf.Push(); push.Pub == nil || string(push.Pub.Data) != "\xff\x00" {
		t.Errorf("the client that speaks Protobuf gets %v", push)
	}
	if push := inJSON.Push(); push.Unsubscribe == nil || push.Unsubscribe.Code != 2001 {
		t.Errorf("the client that speaks JSON gets %v", push)
	}
}
