package room

import (
	"slices"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
)

// A PendingJoin is a membership that is being made for a session. The session fills in the
// exported fields and passes the PendingJoin to Hub.StartJoin. From then on it changes none of
// them.
type PendingJoin struct {
	Room    string
	Options *policy.Options // the options of the room for this member
	Conn    netpoll.Conn
	Kind    Kind                // of the frames that the member takes
	Owner   *identity.Principal // joins, and pays
	Server  bool                // the server joins the session, so no budget refuses the join
	Since   *engine.Position    // recover from there; nil: no recovery was asked for
	Strict  bool                // if the recovery fails, the join fails
	Latch   *Latch              // wait until it is open before taking the slot; nil: do not wait
	Reply   *cost.Reply         // of the reply with the missed publications; nil if Since is nil
	Joiner  Joiner

	// Guarded by Room.mu.
	next          *PendingJoin         // of the same room
	replied       bool                 // Joiner.Reply was called while the latch was closed
	buffered      []engine.Publication // delivered since the join began, or since replied
	bufferedBytes int                  // engine.Cost of buffered
	history       engine.History
	hasHistory    bool // the engine has answered
	err           error
}

// A Joiner is the session's part of a join. The hub calls Reserve, Check, Reply and Finish at
// most once each. It holds Room.mu during all of them, so they must call nothing that takes that
// lock.
type Joiner interface {
	// Author returns the member as the room will see it. No lock is held.
	Author() engine.Author
	// CanReserve checks whether the session may join one more room, this one. It may be called
	// several times. No lock is held.
	CanReserve() error
	// Reserve checks the same as CanReserve, and notes the pending join among the session's
	// memberships, both or none. From now on the code that ends the membership calls
	// Room.Abandon.
	Reserve(r *Room) error
	// Check is called after Reserve and checks for bans and revoked tokens that came before it.
	// Those that come later find the join among the memberships.
	Check() error
	// Reply tells the client the outcome of the join. The client gets the frames that Reply
	// pushes before anything that the room sends.
	Reply(out Recovery, err error)
	// Finish ends the join. If err is nil and the session has not abandoned the join, Finish
	// calls PendingJoin.TakeSlot and keeps the Member. Otherwise it forgets the join, calls Reply
	// with the error unless HasReplied, and returns the error.
	Finish(err error) error
}

// Recovery is the outcome of a join.
type Recovery struct {
	At        engine.Position // the position of the client; each missed publication moves it on
	Recovered bool
	Missed    []engine.Publication
}

// A Latch keeps the joins that are part of a connect reply from taking their slots before that
// reply is queued. Nil is open.
type Latch struct{ open atomic.Bool }

// Open opens the latch. The caller then calls Room.ResumeJoins for each room of the joins.
func (l *Latch) Open() { l.open.Store(true) }

func (l *Latch) closed() bool { return l != nil && !l.open.Load() }

// HasReplied reports whether Joiner.Reply was called. Only Joiner.Finish may call it.
func (j *PendingJoin) HasReplied() bool { return j.replied }

// recovery merges the history and the buffered publications. The client recovers only if these
// are provably all that it missed. A client that recovers keeps the position that it named, and
// each missed publication moves it on: if it disconnects before it has read all of them, it
// recovers the rest.
func (j *PendingJoin) recovery(top engine.Position) Recovery {
	lost := Recovery{At: top}
	switch {
	case j.Since == nil || j.Since.Offset > top.Offset:
		return lost
	case j.Since.Epoch != top.Epoch && *j.Since != (engine.Position{}): // the zero position is before the first publication of any epoch
		return lost
	}
	out := Recovery{At: engine.Position{Epoch: top.Epoch, Offset: j.Since.Offset}, Recovered: true}
	last := j.Since.Offset
	for _, p := range slices.Concat(j.history.Publications, j.buffered) {
		if p.Offset <= last {
			continue // it is in the history and in the buffer
		}
		if p.Prev > last {
			return lost // the engine has forgotten a publication in between
		}
		out.Missed = append(out.Missed, p)
		last = p.Offset
	}
	if last != top.Offset {
		return lost
	}
	return out
}
