package moderation

import (
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/policy"
)

// Audit is a line of the audit log: an action of one user against another.
type Audit struct {
	Action string
	By     string // the user, or "key NAME" for a backend
	Room   string // "": the whole server
	Target string // a user, a network, or the offset of a message
	Until  time.Time
	Reason string
}

// auditRate is the share of the audit log that each owner has for lines about private rooms,
// because owners moderate their private rooms, and anybody may make one. Lines about other rooms
// are always written; only moderators by token cause them.
var auditRate = budget.Rate{N: 30, Per: 10 * time.Minute}

// maxAuditors is the number of owners in one generation of auditShares. There are two generations:
// when the new one is full, the old one is forgotten as a whole.
const maxAuditors = 10_000

// auditShares counts the lines about private rooms by owner. The zero value is ready.
type auditShares struct {
	mu         sync.Mutex // innermost
	young, old map[budget.Owner]*auditShare
}

type auditShare struct {
	bucket  budget.Bucket
	omitted int // lines since the last one that was written
}

// take reports whether an owner may cause another line, and how many lines were omitted before it.
func (s *auditShares) take(owner budget.Owner, now int64) (omitted int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.young[owner]
	if one == nil {
		if one = s.old[owner]; one == nil {
			one = new(auditShare)
		}
		if s.young == nil || len(s.young) >= maxAuditors {
			s.young, s.old = map[budget.Owner]*auditShare{}, s.young
		}
		s.young[owner] = one
	}
	if !one.bucket.Take(auditRate, 1, now) {
		one.omitted++
		return 0, false
	}
	omitted, one.omitted = one.omitted, 0
	return omitted, true
}

// Audited writes a line to the audit log. In a private room, the line counts in the share of the
// payer. The zero Owner, which is the server, has no limit.
func (m *Moderator) Audited(a Audit, payer budget.Owner) {
	log := m.cfg.Audit
	if log == nil {
		return
	}
	omitted := 0
	if policy.IsPrivate(a.Room) && payer != (budget.Owner{}) {
		var ok bool
		if omitted, ok = m.audits.take(payer, int64(time.Since(m.started))); !ok {
			return
		}
	}
	attrs := []any{"action", a.Action, "by", a.By, "room", a.Room, "target", a.Target}
	if !a.Until.IsZero() {
		attrs = append(attrs, "until", a.Until.UTC().Format(time.RFC3339))
	}
	if a.Reason != "" {
		attrs = append(attrs, "reason", a.Reason)
	}
	if omitted > 0 {
		attrs = append(attrs, "not_logged_before", omitted)
	}
	log.Info("audit", attrs...)
}
