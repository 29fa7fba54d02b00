package room

import (
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/policy"
)

// Audit is a line of the audit log: what somebody did to somebody else.
type Audit struct {
	Action string
	By     string // the user, or "key NAME" of a backend
	Room   string // "": everywhere
	Target string // user, network, or a message's offset
	Until  time.Time
	Reason string
}

// The makers of private rooms moderate them, and anybody may make one. So each of them
// has a share of the audit log: auditRate, for the lines about private rooms. Lines
// about other rooms are always written; only those whom a token has raised cause them.
var auditRate = budget.Rate{N: 30, Per: 10 * time.Minute}

// maxAuditors are the owners that are remembered for sure, and twice as many at most;
// the oldest are forgotten as a whole when as many have come since.
const maxAuditors = 10_000

// auditShares count the lines about private rooms by owner. The zero value is ready.
type auditShares struct {
	mu         sync.Mutex // innermost
	young, old map[budget.Owner]*auditShare
}

type auditShare struct {
	bucket  budget.Bucket
	omitted int // lines since the last one
}

// take reports whether an owner may cause another line, and how many were not written
// before it.
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

// Audited leaves a line in the audit log. In a private room, the line counts in the
// share of the payer; the zero Owner, the server, has no bound.
func (h *Hub) Audited(a Audit, payer budget.Owner) {
	log := h.cfg.Audit
	if log == nil {
		return
	}
	omitted := 0
	if policy.IsPrivate(a.Room) && payer != (budget.Owner{}) {
		var ok bool
		if omitted, ok = h.audits.take(payer, h.now()); !ok {
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
