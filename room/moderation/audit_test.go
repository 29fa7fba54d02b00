package moderation

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
)

// TestAuditShares: an owner of private rooms fills no more than a share of the audit log. Omitted
// lines are counted. The lines of others are written.
func TestAuditShares(t *testing.T) {
	var log wstest.Log
	m := New(Config{Audit: slog.New(slog.NewTextHandler(&log, nil))})
	eve, bob := budget.User("eve"), budget.User("bob")
	for range 10 * auditRate.N {
		m.Audited(Audit{Action: "ban", By: "eve", Room: "$eve", Target: "x"}, eve)
	}
	if got := len(log.Lines()); got < auditRate.N || got > auditRate.N+1 { // one may have come back meanwhile
		t.Errorf("%d lines of one owner, want %d", got, auditRate.N)
	}
	before := len(log.Lines())
	m.Audited(Audit{Action: "ban", By: "bob", Room: "$bob", Target: "x"}, bob)
	m.Audited(Audit{Action: "ban", By: "eve", Room: "lobby", Target: "x"}, eve)             // she is a moderator there
	m.Audited(Audit{Action: "ban", By: "key a", Room: "$eve", Target: "x"}, budget.Owner{}) // a backend
	if got := len(log.Lines()) - before; got != 3 {
		t.Errorf("%d lines of others, want 3", got)
	}
	for i := range 3 * maxAuditors {
		m.audits.take(budget.User(fmt.Sprint(i)), int64(time.Since(m.started)))
	}
	if got := len(m.audits.young) + len(m.audits.old); got > 2*maxAuditors {
		t.Errorf("%d owners are remembered", got)
	}
}
