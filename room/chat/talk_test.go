package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"webim/room"
	"webim/room/budget"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// texts returns the data of all publications in a room's history.
func (h *house) texts(name string) (all []string) {
	h.engine().History(name, engine.Span{Limit: -1}, func(got engine.History, _ error) {
		for _, p := range got.Publications {
			all = append(all, string(p.Data))
		}
	})
	return all
}

// TestSendIsIdempotent checks that ids belong to a user, or to a connection without a user.
func TestSendIsIdempotent(t *testing.T) {
	h := build(t, room.Config{})
	alice, again, bob, nobody, other := h.come("alice"), h.comeAs(wire.Protobuf, "alice"), h.come("bob"), h.come(""), h.come("")
	const message = `{"room":"lobby","id":"1","data":{"text":"x"}}`
	first := alice.must("send", message)
	if got := again.must("send", message); got != first {
		t.Errorf("from her other device: %s, and not %s", got, first)
	}
	again.refused(wire.ErrConflict, "send", `{"room":"lobby","id":"1","data":{"text":"y"}}`)
	seen := map[string]bool{first: true}
	for _, p := range []*person{bob, nobody, other} {
		got := p.must("send", message)
		if seen[got] {
			t.Errorf("%q gets another's answer: %s", p.name, got)
		}
		seen[got] = true
	}
	if got := h.texts("lobby"); len(got) != 4 {
		t.Errorf("the room has %q", got)
	}
	for _, id := range []string{"", strings.Repeat("x", 65), "a\\u0000"} {
		alice.refused(wire.ErrBadRequest, "send", `{"room":"lobby","id":"`+id+`","data":{}}`)
	}
	// JSON calls cannot carry invalid data; missing data is refused.
	alice.refused(wire.ErrBadRequest, "send", `{"room":"lobby"}`)
}

// TestRetryTellsNobody checks that a retry publishes no event, neither in the room nor in personal
// rooms.
func TestRetryTellsNobody(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	alice.join("#alice,bob")
	for _, id := range []string{"1", "1", "1", "2"} {
		alice.must("send", fmt.Sprintf(`{"room":"#alice,bob","id":%q,"data":{"text":"x"}}`, id))
	}
	for _, want := range []string{"1", "2"} {
		if got := bob.nextIn("#bob"); !strings.HasSuffix(got, "event=message offset="+want+" room=#alice,bob") {
			t.Errorf("bob is told %s, not of %s", got, want)
		}
		if got := alice.nextIn("#alice,bob"); !strings.HasSuffix(got, " id="+want) {
			t.Errorf("alice is told %s, not of %s", got, want)
		}
	}
}

// TestDeletedTextIsGone checks that no call or recovery returns a deleted text.
func TestDeletedTextIsGone(t *testing.T) {
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) {
			h := build(t, room.Config{})
			alice, bob, carol := h.comeAs(enc, "alice"), h.comeAs(enc, "bob"), h.comeAs(enc, "carol")
			// She tries again only when she is connected again: a try of the library meanwhile would race with Connect.
			carol.join("lobby", centrifuge.SubscriptionConfig{MinResubscribeDelay: time.Hour, MaxResubscribeDelay: time.Hour})
			if err := carol.Disconnect(); err != nil {
				t.Fatal(err)
			}
			alice.must("send", `{"room":"lobby","id":"m","data":{"text":"secret one"}}`)
			bob.must("send", `{"room":"lobby","data":{"text":"between"}}`)
			alice.must("edit", `{"room":"lobby","offset":1,"data":{"text":"secret two"}}`)
			bob.refused(wire.ErrPermissionDenied, "delete", `{"room":"lobby","offset":1}`)
			alice.must("delete", `{"room":"lobby","offset":1}`)
			alice.must("delete", `{"room":"lobby","offset":1}`) // deleting twice succeeds
			alice.refused(wire.ErrNoMessage, "react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
			alice.refused(wire.ErrNoMessage, "send", `{"room":"lobby","reply":1,"data":{}}`)
			alice.refused(wire.ErrNoMessage, "delete", `{"room":"lobby","offset":3}`) // an event is not a message
			alice.refused(wire.ErrNoMessage, "delete", `{"room":"lobby","offset":99}`)
			if got, want := strings.Join(h.texts("lobby"), " "), `{} {"text":"between"} {} {}`; got != want {
				t.Errorf("the history has %s, want %s", got, want)
			}
			got := bob.must("messages", `{"room":"lobby"}`)
			if strings.Contains(got, "secret") || !strings.Contains(got, `"deleted":true`) {
				t.Errorf("messages: %s", got)
			}
			if err := carol.Connect(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`1 alice {} redacted=true`, `2 bob {"text":"between"}`, `3 alice {} event=edit of=1 redacted=true`, `4 alice {} event=delete of=1`} {
				if got := carol.nextIn("lobby"); got != "lobby: "+want {
					t.Errorf("recovered %s, want %s", got, want)
				}
			}
		})
	}
}

// TestEditMeetsDeletion checks that no text of a deleted message stays, whatever the order of edit
// and deletion.
func TestEditMeetsDeletion(t *testing.T) {
	h := build(t, room.Config{})
	one, other := h.come("alice"), h.come("alice")
	rounds := 200
	if _, is := h.hub.Engine().(engine.Prompt); !is {
		rounds = 15 // an engine with a store writes and syncs a file for each text that it removes
	}
	for round := range rounds {
		var pos sendResult
		if err := json.Unmarshal([]byte(one.must("send", `{"room":"lobby","data":{"text":"secret"}}`)), &pos); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			one.call("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"secret %d"}}`, pos.Offset, round))
		})
		wg.Go(func() { other.must("delete", fmt.Sprintf(`{"room":"lobby","offset":%d}`, pos.Offset)) })
		wg.Wait()
		if all := strings.Join(h.texts("lobby"), " "); strings.Contains(all, "secret") {
			t.Fatalf("round %d: the history has %s", round, all)
		}
	}
}

func TestReactions(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	alice.join("lobby")
	alice.must("send", `{"room":"lobby","data":{"text":"x"}}`)
	react := func(p *person, emoji string, remove bool) {
		t.Helper()
		p.must("react", fmt.Sprintf(`{"room":"lobby","offset":1,"emoji":%q,"remove":%v}`, emoji, remove))
	}
	react(alice, "👍", false)
	react(alice, "👍", false) // no event
	react(bob, "👍", false)
	react(bob, "❤️", false)
	react(alice, "👍", true)
	react(alice, "👍", true)
	alice.expect(`lobby: 1 alice {"text":"x"}`,
		`lobby: 2 alice {} emoji=👍 event=react of=1`, `lobby: 3 bob {} emoji=👍 event=react of=1`,
		`lobby: 4 bob {} emoji=❤️ event=react of=1`, `lobby: 5 alice {} emoji=👍 event=unreact of=1`)
	got := alice.must("messages", `{"room":"lobby"}`)
	if !strings.Contains(got, `"reactions":[{"emoji":"👍","users":["bob"],"count":1},{"emoji":"❤️","users":["bob"],"count":1}]`) {
		t.Errorf("messages: %s", got)
	}
	for _, emoji := range []string{"", "a", "ab", "👍👍", "1", "👍x", "\\u0000", strings.Repeat("👨‍", 9) + "👧", "<", " "} {
		alice.refused(wire.ErrBadRequest, "react", `{"room":"lobby","offset":1,"emoji":"`+emoji+`"}`)
	}
	for _, emoji := range []string{"🇨🇳", "👨‍👩‍👧", "1️⃣", "✅", "👋🏽", "☺"} {
		react(alice, emoji, false)
	}
	for i := range messages.MaxReactions {
		_, fault := bob.call("react", fmt.Sprintf(`{"room":"lobby","offset":1,"emoji":%q}`, string(rune(0x1F400+i))))
		if over := i >= messages.MaxReactions-8; over != strings.HasPrefix(fault, "106 ") {
			t.Fatalf("reaction %d besides 8 others: %q", i, fault)
		}
	}
}

// TestTyping checks that typing reaches the members in both encodings, and is not stored.
func TestTyping(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob, carol := h.come("alice"), h.comeAs(wire.Protobuf, "bob"), h.come("carol")
	for _, p := range []*person{alice, bob} {
		p.join("lobby")
	}
	for _, p := range []*person{alice, bob, carol} { // carol may send there without having joined
		p.must("typing", `{"room":"lobby"}`)
		alice.expect(`lobby: ` + p.name + ` {} event=typing`)
		bob.expect(`lobby: ` + p.name + ` {} event=typing`)
	}
	bob.must("send", `{"room":"lobby","data":{"text":"x"}}`)
	bob.expect(`lobby: 1 bob {"text":"x"}`)
	alice.expect(`lobby: 1 bob {"text":"x"}`)
	if got := h.texts("lobby"); len(got) != 1 {
		t.Errorf("remembered: %q", got)
	}
	if alice.refused(wire.ErrPermissionDenied, "typing", `{"room":"#bob"}`); len(alice.events) > 0 {
		t.Errorf("alice is told %s", <-alice.events)
	}
}

// TestMessagesPages reads a room page by page, in both directions.
func TestMessagesPages(t *testing.T) {
	h := build(t, room.Config{})
	alice := h.come("alice")
	var offsets []uint64
	for i := range 25 {
		var pos sendResult
		if err := json.Unmarshal([]byte(alice.must("send", fmt.Sprintf(`{"room":"lobby","data":{"text":"%d"}}`, i))), &pos); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, pos.Offset)
		if i%3 == 0 {
			alice.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍"}`, pos.Offset))
		}
	}
	page := func(data string) (all []uint64, more bool) {
		t.Helper()
		var res struct {
			Messages []struct{ Offset uint64 }
			More     bool
		}
		if err := json.Unmarshal([]byte(alice.must("messages", data)), &res); err != nil {
			t.Fatal(err)
		}
		for _, m := range res.Messages {
			all = append(all, m.Offset)
		}
		return all, res.More
	}
	var back []uint64
	all, more := page(`{"room":"lobby","limit":7}`)
	for back = all; more; back = append(all, back...) {
		all, more = page(fmt.Sprintf(`{"room":"lobby","limit":7,"before":%d}`, back[0]))
	}
	if fmt.Sprint(back) != fmt.Sprint(offsets) {
		t.Errorf("backwards: %v, want %v", back, offsets)
	}
	var on []uint64
	for more = true; more; on = append(on, all...) {
		last := uint64(0)
		if len(on) > 0 {
			last = on[len(on)-1]
		}
		all, more = page(fmt.Sprintf(`{"room":"lobby","limit":7,"after":%d}`, last))
	}
	if fmt.Sprint(on) != fmt.Sprint(offsets) {
		t.Errorf("onwards: %v, want %v", on, offsets)
	}
	if all, more := page(`{"room":"lobby","after":1000}`); len(all) > 0 || more {
		t.Errorf("behind the end: %v, %v", all, more)
	}
	if all, more := page(`{"room":"lobby","before":1}`); len(all) > 0 || more {
		t.Errorf("before the beginning: %v, %v", all, more)
	}
	some := fmt.Sprintf(`[%d,1000000,%d,%d,%d]`, offsets[20], offsets[3], offsets[20], offsets[3]+1) // the last is a reaction
	if all, more := page(`{"room":"lobby","offsets":` + some + `}`); !slices.Equal(all, []uint64{offsets[3], offsets[20]}) || more {
		t.Errorf("those at %s: %v, %v", some, all, more)
	}
	if all, more := page(`{"room":"lobby","offsets":[]}`); len(all) > 0 || more {
		t.Errorf("none: %v, %v", all, more)
	}
	for _, data := range []string{`{"room":"lobby","limit":0}`, `{"room":"lobby","limit":201}`, `{"room":"lobby","before":1,"after":1}`, `{"room":"lobby","before":1,"offsets":[1]}`, `{"room":"lobby","offsets":[` + strings.Repeat("1,", 200) + `1]}`, `{"room":"lobby","offsets":[-1]}`, `{}`} {
		alice.refused(wire.ErrBadRequest, "messages", data)
	}
}

// TestTextLimits checks the limits of texts in all ways to send them.
func TestTextLimits(t *testing.T) {
	h := build(t, room.Config{Text: policy.TextLimits{Bytes: 100, Graphemes: 10}})
	alice := h.come("alice")
	alice.must("send", `{"room":"lobby","data":{"text":"ok"}}`)
	for _, c := range []struct {
		data string
		ok   bool
	}{
		{`{"text":"0123456789"}`, true},
		{`{"text":"01234567890"}`, false},
		{`{"text":"👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧"}`, true},       // 5 of 18 bytes
		{`{"text":"👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧"}`, false}, // 108 bytes
		{`{"text":"éééééééééé"}`, true},
		{`{"text":"ééééééééééé"}`, false},
		{`{"text":"a\nb\tc\r"}`, true},
		{`{"text":"a\u0000b"}`, false},
		{`{"text":"a\u001bb"}`, false},
		{`{"text":"a\u0085b"}`, false},
		{`{"\u0074ext":"01234567890"}`, false},
		{`{"text":"x","text":"01234567890"}`, false},
		{`{"text":7,"other":"01234567890"}`, true},
		{`["01234567890"]`, true},
		{`"text 01234567890"`, true},
		{`{"a":{"text":"01234567890"}}`, true},
	} {
		for way, try := range map[string]func() string{
			"send": func() string {
				_, fault := alice.call("send", `{"room":"lobby","data":`+c.data+`}`)
				return fault
			},
			"edit": func() string {
				_, fault := alice.call("edit", `{"room":"lobby","offset":1,"data":`+c.data+`}`)
				return fault
			},
			"publish": func() string {
				if _, err := alice.Publish(t.Context(), "lobby", []byte(c.data)); err != nil {
					return problem(err)
				}
				return ""
			},
		} {
			if fault := try(); c.ok && fault != "" || !c.ok && !strings.HasPrefix(fault, "445 ") && !strings.HasPrefix(fault, "107 ") {
				t.Errorf("%s %s: %q", way, c.data, fault)
			}
		}
	}
}

// TestRateOfCalls checks that typing, sending and reading have separate rates.
func TestRateOfCalls(t *testing.T) {
	few := budget.Rate{N: 2, Per: time.Hour}
	h := build(t, room.Config{Rates: policy.Rates{Send: few, Typing: few, Read: few, RPC: few, Join: few}})
	alice := h.come("alice")
	for call, data := range map[string]string{
		"send":     `{"room":"lobby","data":{"text":"x"}}`,
		"typing":   `{"room":"lobby"}`,
		"messages": `{"room":"lobby"}`,
	} {
		alice.must(call, data)
		alice.must(call, data)
		alice.refused(wire.ErrTooManyRequests, call, data)
	}
}
