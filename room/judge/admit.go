package judge

import (
	"webim/room/policy"
	"webim/room/wire"
)

// ErrStateOld refuses a client because this node's copy of the State is old. It is temporary: the client tries again, perhaps
// at another node.
var ErrStateOld = wire.Explain(wire.ErrInternal, "internal server error: this server does not know the latest bans, try again")

// Admit returns nil if a subject may enter a room now, or the server if room is "", as far as bans decide: ErrBanned, in a
// room, or DisconnectBanned; and ErrStateOld if this node's copy of the State is old, so that it cannot know. It is
// asked at every way in: before a client connects or joins a room in either dialect, and before a token is accepted by the
// server API or the live picture. It is not asked about members.
func (j *Judge) Admit(s policy.Subject, room string) error {
	switch banned := j.IsBanned(s, room); {
	case banned && room == "":
		return wire.DisconnectBanned
	case banned:
		return wire.ErrBanned
	case j.IsStateOld():
		j.cfg.Log.Warn("a client is refused: the copy of the state is old", "room", room, "see", "/ready, NATS")
		return ErrStateOld
	}
	return nil
}

// IsStateOld reports whether this node's copy of the State is old, so that Admit admits nobody: see engine.Copier.
func (j *Judge) IsStateOld() bool { return j.cfg.StateIsOld != nil && j.cfg.StateIsOld() }
