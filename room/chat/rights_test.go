package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
)

// talkRooms are the rooms of the table.
var talkRooms = policy.Patterns{
	{Match: "open", Options: withRights(policy.OpenRights())},
	{Match: "users", Options: withRights(policy.Rights{
		policy.ActJoin: policy.RoleUser, policy.ActRead: policy.RoleUser, policy.ActSend: policy.RoleUser, policy.ActTyping: policy.RoleUser,
		policy.ActHistory: policy.RoleMember, policy.ActPresence: policy.RoleMember, policy.ActEditOwn: policy.RoleUser, policy.ActDeleteOwn: policy.RoleUser,
	})},
	{Match: "news", Options: withRights(policy.Rights{
		policy.ActJoin: policy.RoleAnonymous, policy.ActRead: policy.RoleAnonymous, policy.ActSend: policy.RoleNobody,
		policy.ActHistory: policy.RoleModerator, policy.ActPresence: policy.RoleNobody,
	})},
	{Match: "closed", Options: withRights(policy.Rights{})},
}

func withRights(r policy.Rights) policy.Options {
	o := talkative()
	o.Rights = r
	return o
}

// The whole table of the calls about messages: s send, t typing, r react, k mark, e edit an own
// message and E another's, d delete an own message and D another's, m messages, M marks, p members,
// i room.info; for users who are not in the room, and for users who are. Marks need a user; nobody
// edits messages of others. TestWhoModerates has the calls of moderators.
var talkTable = []struct{ room, who, outside, inside string }{
	{"open", "", "stredmMpi", "stredmMpi"},
	{"open", "user", "strkedmMpi", "strkedmMpi"},
	{"open", "moderator", "strkedDmMpi", "strkedDmMpi"},
	{"open", "moderator@elsewhere", "strkedmMpi", "strkedmMpi"},
	{"open", "admin", "strkedDmMpi", "strkedDmMpi"},
	{"users", "", "", ""},
	{"users", "user", "strkedi", "strkedmMpi"},
	{"users", "moderator", "strkedDi", "strkedDmMpi"},
	{"users", "moderator@elsewhere", "strkedi", "strkedmMpi"},
	{"users", "admin", "strkedDi", "strkedDmMpi"},
	{"news", "", "i", "i"},
	{"news", "user", "ki", "ki"},
	{"news", "moderator", "tkedDmMi", "tkedDmMi"},
	{"news", "moderator@elsewhere", "ki", "ki"},
	{"news", "admin", "tkedDmMi", "tkedDmMi"},
	{"closed", "", "", ""},
	{"closed", "user", "", ""},
	{"closed", "moderator", "strkedDmMpi", "strkedDmMpi"},
	{"closed", "moderator@elsewhere", "", ""},
	{"closed", "admin", "strkedDmMpi", "strkedDmMpi"},
}

func TestTalkRightsTable(t *testing.T) {
	h := build(t, room.Config{Options: talkRooms.Options})
	for i, row := range talkTable {
		name, roles := fmt.Sprintf("u%d", i), []string{row.who}
		if row.who == "" {
			name, roles = "", nil
		} else if row.who == "user" {
			roles = nil
		}
		p := h.come(name, roles...)
		if got := p.letters(row.room); got != row.outside {
			t.Errorf("%s of %q outside: %s, want %s", row.room, row.who, got, row.outside)
		}
		if fault := p.tryJoin(row.room); (fault == "") != (row.outside != "") {
			t.Errorf("%s of %q: joining says %q", row.room, row.who, fault)
		}
		if got := p.letters(row.room); got != row.inside {
			t.Errorf("%s of %q inside: %s, want %s", row.room, row.who, got, row.inside)
		}
	}
}

// letters makes every call about messages, and returns the letters of those that are not refused.
func (p *person) letters(name string) (got string) {
	p.h.t.Helper()
	did := func(letter, method, data string) {
		p.h.t.Helper()
		switch _, fault := p.call(method, data); {
		case fault == "":
			got += letter
		case !strings.HasPrefix(fault, "103 ") && (p.name != "" || !strings.HasPrefix(fault, "101 ")):
			p.h.t.Errorf("%s %s: %s", method, data, fault)
		}
	}
	in := fmt.Sprintf(`{"room":%q`, name)
	did("s", "send", in+`,"data":{"text":"x"}}`)
	did("t", "typing", in+`}`)
	did("r", "react", fmt.Sprintf(`%s,"offset":%d,"emoji":"👍"}`, in, p.h.plant(name, "zoe")))
	did("k", "mark", in+`,"read":1}`)
	did("e", "edit", fmt.Sprintf(`%s,"offset":%d,"data":{"text":"y"}}`, in, p.own(name)))
	did("E", "edit", fmt.Sprintf(`%s,"offset":%d,"data":{"text":"y"}}`, in, p.h.plant(name, "zoe")))
	did("d", "delete", fmt.Sprintf(`%s,"offset":%d}`, in, p.own(name)))
	did("D", "delete", fmt.Sprintf(`%s,"offset":%d}`, in, p.h.plant(name, "zoe")))
	did("m", "messages", in+`}`)
	did("M", "marks", in+`}`)
	did("p", "members", in+`}`)
	did("i", "room.info", in+`}`)
	return got
}

// own returns the offset of a message of the person. A person without a user must send it on the
// same connection; where sending is forbidden, it is another user's message.
func (p *person) own(name string) uint64 {
	p.h.t.Helper()
	if p.name != "" {
		return p.h.plant(name, p.name)
	}
	result, fault := p.call("send", fmt.Sprintf(`{"room":%q,"data":{"text":"mine"}}`, name))
	if fault != "" {
		return p.h.plant(name, "zoe")
	}
	var pos sendResult
	if err := json.Unmarshal([]byte(result), &pos); err != nil {
		p.h.t.Fatal(err)
	}
	return pos.Offset
}

// plant publishes a message of a user, who need not be connected.
func (h *house) plant(name, user string) (offset uint64) {
	h.t.Helper()
	done := make(chan error, 1)
	m := engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"planted"}`), From: &engine.Author{User: user, Client: "client-of-" + user}}
	h.hub.Publish(name, m, func(pos engine.Position, err error) { offset = pos.Offset; done <- err })
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}
	return offset
}
