package cost

import (
	"iter"
	"sync/atomic"
	"time"

	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/internal/timers"
	"webim/room/policy"
	"webim/room/wire"
)

// Config holds the settings of a Meter. Unlike in room.Config, a zero Rate is no default but allows
// nothing.
type Config struct {
	Limits
	// Timers calls the functions that forget accounts.
	Timers *timers.List
	// Log gets a line when a client is refused; nil: it gets none.
	Log *ratelog.Logger
}

// Limits are the settings that SetLimits changes.
type Limits struct {
	// Rates are the limits of one connection, UserRates those of all connections of a user. Those of an
	// address are policy.Rates.Address of UserRates.
	Rates, UserRates policy.Rates
	// Refusals is how often a connection may be refused before it is closed.
	Refusals budget.Rate
	// MaxConnsPerUser limits the connections of one user; 0 or negative: no limit.
	MaxConnsPerUser int
	// MaxReply limits the bytes of publications in one reply.
	MaxReply int
	// MaxReplies limits the bytes that all replies in progress take together; negative: no limit.
	MaxReplies int64
}

// A Meter charges the clients of one node. Its methods are safe for concurrent use. They take no lock,
// except the one of the accounts, and never block.
type Meter struct {
	cfg      Config
	limits   atomic.Pointer[limits]
	started  time.Time // the zero of the clock of the buckets
	accounts accounts
	replies  *budget.Pool // bytes of replies in progress, by payer
	moved    *limits      // the rates of the process before this one; nil: there was none, or it has not told

	refused         [policy.NumClasses]atomic.Int64
	closed, tooMany atomic.Int64
}

// limits are Limits, with the rates by class.
type limits struct {
	conn, user, addr          rates
	refusals                  budget.Rate
	maxConnsPerUser, maxReply int
}

// rates are policy.Rates by class.
type rates [policy.NumClasses]budget.Rate

func ratesOf(r policy.Rates) (all rates) {
	for c := range all {
		all[c] = r.Of(policy.Class(c))
	}
	return all
}

// New returns a meter.
func New(cfg Config) *Meter {
	m := &Meter{cfg: cfg, started: time.Now(), replies: budget.NewPool(cfg.MaxReplies)}
	m.SetLimits(cfg.Limits, nil)
	return m
}

// SetLimits changes the limits. What clients have used of their rates stays used, as a part of the rate; all are the connections that
// there are, or nil. Connections above a new MaxConnsPerUser stay, and so does the part of a reply in progress of MaxReplies. SetLimits
// is not called twice at a time.
func (m *Meter) SetLimits(l Limits, all iter.Seq[*Usage]) {
	next := &limits{conn: ratesOf(l.Rates), user: ratesOf(l.UserRates), addr: ratesOf(l.UserRates.Address()),
		refusals: l.Refusals, maxConnsPerUser: l.MaxConnsPerUser, maxReply: l.MaxReply}
	old := m.limits.Swap(next)
	m.replies.SetLimit(l.MaxReplies)
	if old == nil {
		return
	}
	now := m.now()
	m.accounts.rescale(old, next, now)
	if all == nil || old.conn == next.conn && old.refusals == next.refusals {
		return
	}
	for u := range all {
		u.rescale(old, next, now)
	}
}

// now is the clock of the buckets.
func (m *Meter) now() int64 { return int64(time.Since(m.started)) }

// Limits reports whether a connection or a user has a rate for a class. If not, as with --dev, nothing
// is counted.
func (m *Meter) Limits(c policy.Class) bool {
	return m.limits.Load().conn[c].N >= 0 || m.limits.Load().user[c].N >= 0
}

// Allow charges a command of a class to the connection and its user. The error is nil,
// ErrTooManyRequests or, if refusals go on, DisconnectTooManyErrors.
func (m *Meter) Allow(u *Usage, c policy.Class) error {
	now := m.now()
	if u.bucket(c).Take(m.limits.Load().conn[c], 1, now) && m.allowUser(u, c, now) {
		return nil
	}
	return m.refuse(u, c, "", now)
}

// AllowUser is Allow for the user alone.
func (m *Meter) AllowUser(u *Usage, c policy.Class) error {
	now := m.now()
	if m.allowUser(u, c, now) {
		return nil
	}
	return m.refuse(u, c, u.payer.String(), now)
}

func (m *Meter) allowUser(u *Usage, c policy.Class, now int64) bool {
	a := u.account.Load()
	return a == nil || a.buckets[c].Take(m.limits.Load().user[c], 1, now)
}

// refuse counts and logs a refusal, and returns the error for the client. payer is "" if only the
// connection and its user pay.
func (m *Meter) refuse(u *Usage, c policy.Class, payer string, now int64) error {
	m.countRefused(c, payer)
	if u.others().refusals.Take(m.limits.Load().refusals, 1, now) {
		return wire.ErrTooManyRequests
	}
	m.closed.Add(1)
	return wire.DisconnectTooManyErrors
}

// countRefused counts and logs that a budget is used up.
func (m *Meter) countRefused(c policy.Class, payer string) {
	m.refused[c].Add(1)
	row := policy.Flows[c]
	m.cfg.Log.Warn(row.Log+", "+row.Name+": it is refused or not read for a while", "payer", payer, "see", "--"+row.Setting+", --user-"+row.Setting)
}

// Counts are the numbers of a Meter: the users now, and the refusals since the start.
type Counts struct {
	Users   int                      // with connections, or with an account that is not full yet
	Conns   int                      // of all users
	Refused [policy.NumClasses]int64 // commands and messages above a rate; of input: how often a client was not read
	Closed  int64                    // connections that were closed because of their refusals
	TooMany int64                    // connections that were refused because of MaxConnsPerUser
	Replies int64                    // bytes of MaxReplies that replies in progress take
}

// Counts returns the numbers of the meter.
func (m *Meter) Counts() Counts {
	all := Counts{Closed: m.closed.Load(), TooMany: m.tooMany.Load(), Replies: m.replies.Used()}
	for c := range all.Refused {
		all.Refused[c] = m.refused[c].Load()
	}
	m.accounts.mu.Lock()
	defer m.accounts.mu.Unlock()
	all.Users, all.Conns = len(m.accounts.users), m.accounts.conns
	return all
}
