package centrifuge

import (
	"slices"

	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// judgeJoin decides whether the session may join a room with a membership that it does not have
// yet: with a ticket, or with an entry of the roster.
func (s *session) judgeJoin(name string, m policy.Membership) policy.Verdict {
	return s.d.hub.Judge().Decide(s.d.hub.Judge().SubjectOf(s), policy.ActJoin, name, m)
}

// mayJoin decides whether the session may join a room and read there.
func (s *session) mayJoin(name string, ask bool) policy.Verdict {
	v := s.d.hub.Judge().Session(s, policy.ActJoin, name, ask)
	if v.Outcome == policy.Deny || v.Outcome == policy.AskBackend {
		return v
	}
	if read := s.d.hub.Judge().Session(s, policy.ActRead, name, false); read.Outcome == policy.Deny {
		return read
	}
	return v
}

// mayStay reports whether the rights of a room allow a membership of the session.
func (s *session) mayStay(room string, m policy.Membership) bool {
	j := s.d.hub.Judge()
	return j.MayStay(j.SubjectOf(s), room, m)
}

// channels returns the rooms that the server joins a connection to: the rooms of its token, except
// those where it is banned and # rooms of other users, and the user's own room. The reply mentions
// the user's own room even if the client does not expect it.
func (s *session) channels(who *token.Identity) []token.Channel {
	h, all := s.d.hub, who.Channels
	shut := func(c token.Channel) bool {
		return s.judgeJoin(c.Name, policy.Membership{Ticket: true}).Outcome != policy.Allow
	}
	if slices.ContainsFunc(all, shut) {
		all = slices.DeleteFunc(slices.Clone(all), shut)
	}
	own := policy.PersonalRoom(who.User)
	if !h.Config().Personal || who.User == "" || wire.CheckRoomName(own) != nil || h.Options(own).Binary ||
		slices.ContainsFunc(all, func(c token.Channel) bool { return c.Name == own }) {
		return all
	}
	return append(slices.Clip(all), token.Channel{Name: own})
}
