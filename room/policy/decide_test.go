package policy

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/token"
	"webim/room/wire"
)

// TestDecide checks cases that the tests over sockets cannot reach, or only with much
// preparation.
func TestDecide(t *testing.T) {
	open, members := OpenRights(), OpenRights()
	members[ActSend] = RoleMember
	ann := Subject{Who: &token.Identity{User: "ann"}}
	nobody := Subject{Who: &token.Identity{}}
	guest := Subject{Who: &token.Identity{User: GuestPrefix + "x"}}
	room := func(change func(*Room)) Room {
		r := Room{Name: "r", Rights: &open}
		if change != nil {
			change(&r)
		}
		return r
	}
	named := func(name string) Room { return Room{Name: name, Rights: &open} }
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	owner := Membership{In: true, Roles: RoleModerator | RoleAdmin}
	for name, c := range map[string]struct {
		s    Subject
		a    Action
		r    Room
		m    Membership
		want Verdict
	}{
		"a backend may do everything":           {Subject{Backend: true}, ActManage, named("$x"), Membership{}, Verdict{Outcome: Allow}},
		"a token that has ended may do nothing": {Subject{Who: ann.Who, TokenEnded: true}, ActJoin, room(nil), Membership{}, deny(wire.ErrUnauthorized)},
		"a member may, by the role member":      {ann, ActSend, Room{Name: "r", Rights: &members}, Membership{In: true}, Verdict{Outcome: Allow}},
		"who is not there may not":              {ann, ActSend, Room{Name: "r", Rights: &members}, Membership{}, deny(wire.ErrPermissionDenied)},
		"no rights are those of moderators":     {ann, ActJoin, Room{Name: "r"}, Membership{}, deny(wire.ErrPermissionDenied)},
		"a ticket joins":                        {ann, ActJoin, Room{Name: "r"}, Membership{Ticket: true}, Verdict{Outcome: Allow}},
		"a ticket joins nobody who is banned":   {ann, ActJoin, Room{Name: "r", Bans: [2]Reach{Here: Most}}, Membership{Ticket: true}, deny(wire.ErrBanned)},
		"a ticket opens $ rooms":                {ann, ActJoin, named("$x"), Membership{Ticket: true}, Verdict{Outcome: Allow}},
		"a ticket opens no # room":              {ann, ActJoin, named("#bob,carl"), Membership{Ticket: true}, deny(wire.ErrPermissionDenied)},
		"an own room":                           {ann, ActRead, named("#ann"), Membership{}, Verdict{Outcome: Allow}},
		"a name that is not made so":            {ann, ActRead, named("#bob,ann"), Membership{}, deny(wire.ErrPermissionDenied)},
		"the roster is to be asked":             {ann, ActJoin, named("$x"), Membership{}, Verdict{Outcome: AskRoster}},
		"who is listed joins":                   {ann, ActJoin, named("$x"), Membership{Listed: IsListed}, Verdict{Outcome: Allow}},
		"who is not listed does not":            {ann, ActJoin, named("$x"), Membership{Listed: NotListed}, deny(wire.ErrPermissionDenied)},
		"nobody is on no roster":                {nobody, ActJoin, named("$x"), Membership{}, deny(wire.ErrPermissionDenied)},
		"all but joining takes being there":     {ann, ActHistory, named("$x"), Membership{}, deny(wire.ErrPermissionDenied)},
		"an owner sets the title":               {ann, ActTitle, named("$x"), owner, Verdict{Outcome: Allow}},
		"a member does not":                     {ann, ActTitle, named("$x"), Membership{In: true}, deny(wire.ErrPermissionDenied)},
		"an owner invites":                      {ann, ActInvite, named("$x"), owner, Verdict{Outcome: Allow}},
		"a member of a private room does not":   {ann, ActInvite, named("$x"), Membership{In: true}, deny(wire.ErrPermissionDenied)},
		"who may send tells of a public room":   {ann, ActInvite, room(nil), Membership{}, Verdict{Outcome: Allow}},
		"a backend is asked who sends":          {ann, ActSend, Room{Name: "r", Asks: true}, Membership{}, Verdict{Outcome: AskBackend}},
		"and not whether a mute is lifted":      {ann, ActSend, Room{Name: "r", Asks: true, Locked: true}, Membership{}, Verdict{Err: wire.ErrLocked}},
		"it stands for no other right":          {ann, ActEditOwn, Room{Name: "r", Asks: true}, Membership{}, deny(wire.ErrPermissionDenied)},
		"but is asked about what is edited":     {ann, ActEditOwn, room(func(r *Room) { r.Asks = true }), Membership{}, Verdict{Outcome: AskBackend}},
		"a backend opens no # room":             {ann, ActJoin, Room{Name: "#bob", Asks: true}, Membership{}, deny(wire.ErrPermissionDenied)},
		"a mute ends":                           {ann, ActSend, room(func(r *Room) { r.Mutes[Here], r.Ends[Here] = Most, end }), Membership{}, Verdict{Err: wire.ErrMuted, Until: end}},
		"a mute everywhere holds for owners":    {ann, ActTitle, Room{Name: "$x", Rights: &open, Mutes: [2]Reach{Everywhere: Most}}, owner, Verdict{Err: wire.ErrMuted}},
		"a muted owner still locks the room":    {ann, ActManage, Room{Name: "$x", Rights: &open, Mutes: [2]Reach{Everywhere: Most}}, owner, Verdict{Outcome: Allow}},
		"a mute is against no reading":          {ann, ActHistory, room(func(r *Room) { r.Mutes[Here] = All }), Membership{}, Verdict{Outcome: Allow}},
		"a lock":                                {ann, ActTyping, room(func(r *Room) { r.Locked = true }), Membership{}, Verdict{Err: wire.ErrLocked}},
		"a lock is not against moderators":      {ann, ActSend, room(func(r *Room) { r.Locked = true }), owner, Verdict{Outcome: Allow}},
		"slow mode":                             {ann, ActSend, room(func(r *Room) { r.Slow = time.Minute }), Membership{}, Verdict{Outcome: Allow, Slow: time.Minute}},
		"slow mode counts edits":                {ann, ActEditOwn, room(func(r *Room) { r.Slow = time.Minute }), Membership{}, Verdict{Outcome: Allow, Slow: time.Minute}},
		"slow mode is not against moderators":   {ann, ActSend, room(func(r *Room) { r.Slow = time.Minute }), owner, Verdict{Outcome: Allow}},
		"a guest is no user":                    {guest, ActJoin, Room{Name: "r", Rights: &Rights{ActJoin: RoleUser}}, Membership{}, deny(wire.ErrPermissionDenied)},
		"nobody watches without a role":         {ann, ActWatch, Room{}, Membership{}, deny(wire.ErrPermissionDenied)},
		"a moderator is shown no private room":  {ann, ActWatch, named("$x"), Membership{Roles: RoleModerator}, deny(wire.ErrPermissionDenied)},
		"a user is met who shares the room":     {ann, ActMeet, named("#ann,bob"), Membership{In: true, Listed: IsListed}, Verdict{Outcome: Allow}},
		"and not one who does not":              {ann, ActMeet, named("#ann,bob"), Membership{In: true, Listed: NotListed}, deny(wire.ErrPermissionDenied)},
		"nor one of whom nobody has looked":     {ann, ActMeet, named("#ann,bob"), Membership{In: true}, deny(wire.ErrPermissionDenied)},
		"nor in a room between others":          {ann, ActMeet, named("#bob,eve"), Membership{In: true, Listed: IsListed}, deny(wire.ErrPermissionDenied)},
		"nor where the rights are against it":   {ann, ActMeet, Room{Name: "#ann,bob", Rights: &Rights{}}, Membership{In: true, Listed: IsListed}, deny(wire.ErrPermissionDenied)},
		"moderators of all rooms meet anybody":  {ann, ActMeet, named("#ann,bob"), Membership{In: true, Roles: RoleModerator}, Verdict{Outcome: Allow}},
		"to be there takes no right":            {ann, ActBe, Room{Name: "r"}, Membership{}, Verdict{Outcome: Allow}},
	} {
		got := Decide(c.s, c.a, c.r, c.m)
		if got.Outcome != c.want.Outcome || !errors.Is(got.Err, c.want.Err) || !got.Until.Equal(c.want.Until) || got.Slow != c.want.Slow {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestDecideNeverOpens checks that nothing bypasses a ban, a token that has ended or the name of a
// private room, and that a stronger membership never removes a right.
func TestDecideNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Subject{Who: &token.Identity{User: rapid.SampledFrom([]string{"", "ann", "guest:x"}).Draw(t, "user")}}
		a := Action(rapid.IntRange(0, int(ActMeet)).Draw(t, "action"))
		var rights Rights
		for i := range rights {
			rights[i] = Roles(rapid.IntRange(0, 63).Draw(t, "rights"))
		}
		r := Room{Name: rapid.SampledFrom([]string{"", "r", "#ann", "#bob", "#ann,bob", "#x,ann", "$x"}).Draw(t, "room"), Rights: &rights,
			Asks: rapid.Bool().Draw(t, "asks"), Locked: rapid.Bool().Draw(t, "locked")}
		m := Membership{In: rapid.Bool().Draw(t, "in"), Ticket: rapid.Bool().Draw(t, "ticket"), Listed: Listing(rapid.IntRange(0, 2).Draw(t, "listed")),
			Roles: Roles(rapid.IntRange(0, 31).Draw(t, "roles"))}
		before := Decide(s, a, r, m)
		if before.Outcome != Deny && a != ActBe && r.Name != "" && r.Name[0] == '#' && !owns(s.Who.User, r.Name) {
			t.Fatalf("%+v in another's room", before)
		}
		if before.Outcome == Deny && before.Err == nil {
			t.Fatal("a denial without an error")
		}
		more := m
		more.In, more.Roles = true, m.Roles|RoleModerator|RoleAdmin
		if before.Outcome != Deny && !rights.says(RoleNobody) && Decide(s, a, r, more).Outcome == Deny && r.Name != "" {
			t.Fatal("a stronger membership removes a right")
		}
		r.Bans[Here] = All
		if Decide(s, a, r, m).Outcome != Deny {
			t.Fatal("a banned subject is allowed")
		}
		r.Bans, s.TokenEnded = [2]Reach{}, true
		if Decide(s, a, r, m).Outcome != Deny {
			t.Fatal("a token that has ended is allowed")
		}
	})
}

// says reports whether a role stands anywhere in the table.
func (r *Rights) says(role Roles) bool {
	for _, roles := range r {
		if roles&role != 0 {
			return true
		}
	}
	return false
}

func TestDecideDoesNotAllocate(t *testing.T) {
	open := OpenRights()
	s, r := Subject{Who: &token.Identity{User: "ann"}}, Room{Name: "r", Rights: &open}
	if n := testing.AllocsPerRun(100, func() { Decide(s, ActSend, r, Membership{}); Decide(s, ActMute, r, Membership{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	open := OpenRights()
	s, r := Subject{Who: &token.Identity{User: "ann"}}, Room{Name: "team-7", Rights: &open}
	b.ReportAllocs()
	for b.Loop() {
		Decide(s, ActSend, r, Membership{})
	}
}
