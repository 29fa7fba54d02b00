package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"webim/room"
)

// TestRoomsFitIntoReplies checks that no page of the list of rooms carries more of the last
// messages than a reply may, except for one room, and that all pages together have each room once.
func TestRoomsFitIntoReplies(t *testing.T) {
	const maxReply, rooms, long = 4096, 20, 1000
	h := build(t, room.Config{MaxReply: maxReply})
	victim := h.come("victim")
	want := map[string]bool{}
	for i := range rooms {
		sender := h.come(fmt.Sprintf("sender%02d", i))
		name := "#" + sender.name + ",victim"
		sender.must("room.direct", `{"user":"victim"}`)
		sender.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":%q}}`, name, strings.Repeat("x", long)))
		want[name] = true
	}
	pages := 0
	for after, more := "", true; more; pages++ {
		text := victim.must("rooms", fmt.Sprintf(`{"after":%q,"limit":100}`, after))
		if len(text) > maxReply+long+rooms*300 {
			t.Errorf("a page has %d bytes, and a reply may carry %d of messages", len(text), maxReply)
		}
		var page struct {
			Rooms []struct{ Room string }
			More  bool
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Rooms) == 0 {
			t.Fatalf("page %d: %v, %s", pages, err, text)
		}
		for _, one := range page.Rooms {
			if !want[one.Room] {
				t.Errorf("page %d has %s, which is not in the list or was on another page", pages, one.Room)
			}
			delete(want, one.Room)
		}
		after, more = page.Rooms[len(page.Rooms)-1].Room, page.More
	}
	if len(want) != 0 || pages < 4 {
		t.Errorf("%d pages, without %v", pages, want)
	}
}

// TestMessagesFitIntoReplies checks that a page of messages, in each direction, has no more than a
// reply may carry, and that all pages together have each message once.
func TestMessagesFitIntoReplies(t *testing.T) {
	const maxReply, said, long = 4096, 20, 1000
	h := build(t, room.Config{MaxReply: maxReply})
	alice := h.come("alice")
	for range said {
		alice.must("send", fmt.Sprintf(`{"room":"lobby","data":{"text":%q}}`, strings.Repeat("x", long)))
	}
	for _, way := range []struct {
		name, request string
		next          func(offsets []int) string
	}{
		{"the newest first", `{"room":"lobby","limit":200}`, func(offsets []int) string { return fmt.Sprintf(`{"room":"lobby","before":%d}`, offsets[0]) }},
		{"the oldest first", `{"room":"lobby","after":0}`, func(offsets []int) string {
			return fmt.Sprintf(`{"room":"lobby","after":%d}`, offsets[len(offsets)-1])
		}},
		{"by their offsets", `{"room":"lobby","offsets":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}`, nil},
	} {
		seen, request := map[int]bool{}, way.request
		for request != "" {
			text := alice.must("messages", request)
			if len(text) > maxReply+8*300 {
				t.Errorf("%s: a page has %d bytes, and a reply may carry %d of messages", way.name, len(text), maxReply)
			}
			var page struct {
				Messages []struct{ Offset int }
				More     bool
			}
			if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Messages) == 0 {
				t.Fatalf("%s: %s: %v, %s", way.name, request, err, text)
			}
			offsets := []int{}
			for _, m := range page.Messages {
				if seen[m.Offset] {
					t.Errorf("%s: message %d comes again", way.name, m.Offset)
				}
				seen[m.Offset], offsets = true, append(offsets, m.Offset)
			}
			switch {
			case way.next == nil:
				if request = ""; !page.More {
					t.Errorf("%s: %d of %d messages come, and no more are told of", way.name, len(offsets), said)
				}
			case page.More:
				request = way.next(offsets)
			default:
				if request = ""; len(seen) != said {
					t.Errorf("%s: the pages have %d of %d messages", way.name, len(seen), said)
				}
			}
		}
	}
}
