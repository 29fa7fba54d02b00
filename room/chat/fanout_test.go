package chat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"webim/room"
	"webim/room/budget"
	"webim/room/policy"
	"webim/room/wire"
)

// TestWhatCallsSendOnIsCharged checks that everything that a call makes the server publish costs
// the user as much as a message. Otherwise a user could make the server write to the members of
// many rooms, or to all users of a roster, without cost. Other users are not slowed down.
func TestWhatCallsSendOnIsCharged(t *testing.T) {
	const rooms = 8
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		for name, c := range map[string]struct {
			prepare func(h *house, mallory *person, others []*person) (room string)
			call    func(i int, room string) (method, data string)
		}{
			"typing in many rooms": {func(h *house, _ *person, others []*person) string {
				for _, p := range others {
					for i := range rooms {
						p.join(fmt.Sprint("r", i))
					}
				}
				return ""
			}, func(i int, _ string) (string, string) { return "typing", fmt.Sprintf(`{"room":"r%d"}`, i%rooms) }},
			"tiny messages to a roster that listens elsewhere": {privateRoom, func(_ int, name string) (string, string) {
				return "send", fmt.Sprintf(`{"room":%q,"data":{"text":"x"}}`, name)
			}},
			"reactions": {func(h *house, mallory *person, others []*person) string {
				for _, p := range others {
					p.join("r")
				}
				mallory.must("send", `{"room":"r","data":{"text":"x"}}`)
				return "r"
			}, func(i int, name string) (string, string) {
				return "react", fmt.Sprintf(`{"room":%q,"offset":1,"emoji":"👍","remove":%t}`, name, i%2 == 1)
			}},
		} {
			t.Run(enc.String()+" "+name, func(t *testing.T) {
				rates, users := policy.NoRates, policy.NoRates
				users.Fanout = budget.Rate{N: 20_000, Per: time.Hour}
				h := build(t, room.Config{Rates: rates, UserRates: users})
				mallory := h.comeAs(enc, "mallory")
				var others []*person
				for i := range 10 {
					others = append(others, h.comeAs(enc, fmt.Sprint("user", i)))
				}
				where := c.prepare(h, mallory, others)
				passed := 0
				for ; passed < 100; passed++ {
					method, data := c.call(passed, where)
					if _, fault := mallory.call(method, data); strings.HasPrefix(fault, "111 ") {
						break
					} else if fault != "" {
						t.Fatal(fault)
					}
				}
				if passed < 5 || passed == 100 {
					t.Errorf("%d calls passed", passed)
				}
				method, data := c.call(0, where)
				others[0].must(method, data)
			})
		}
	}
}

// privateRoom makes a private room of all users, of which all except one only read their personal
// rooms.
func privateRoom(h *house, mallory *person, others []*person) string {
	var users []string
	for _, p := range others {
		users = append(users, p.name)
	}
	name := mallory.create("all", users...)
	mallory.join(name)
	others[0].join(name)
	return name
}
