package cost

import (
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
)

// CheckDebt refuses a command if its payers are in debt for a class that counts bytes. The error is that
// of Allow.
func (m *Meter) CheckDebt(u *Usage, c policy.Class) error {
	if m.Debt(u, c) == 0 {
		return nil
	}
	return m.refuse(u, c, u.payer.String(), m.now())
}

// Spend charges n bytes unless there is a debt. So one cost may exceed the whole rate. The error is that
// of Allow.
func (m *Meter) Spend(u *Usage, c policy.Class, n int) error {
	if n == 0 || !m.Limits(c) || m.spend(u, c, n) {
		return nil
	}
	return m.refuse(u, c, u.payer.String(), m.now())
}

// spend charges n bytes unless there is a debt, and reports whether there was none.
func (m *Meter) spend(u *Usage, c policy.Class, n int) bool {
	if m.Debt(u, c) > 0 {
		return false
	}
	m.Charge(u, c, n)
	return true
}

// Debt returns the longest debt of the connection, its user and its address.
func (m *Meter) Debt(u *Usage, c policy.Class) (longest time.Duration) {
	if !m.Limits(c) {
		return 0
	}
	now := m.now()
	longest = u.bucket(c).Debt(m.limits.Load().conn[c], now)
	if a := u.account.Load(); a != nil {
		longest = max(longest, a.buckets[c].Debt(m.limits.Load().user[c], now))
	}
	if a := m.addressAccount(u.payer, c); a != nil {
		longest = max(longest, a.buckets[c].Debt(m.limits.Load().addr[c], now))
	}
	return longest
}

// Charge charges n bytes to the connection, its user and its address, even if that makes a debt.
func (m *Meter) Charge(u *Usage, c policy.Class, n int) {
	if c == policy.ClassRecovered {
		u.replied.Add(int32(min(n, TurnReplies)))
	}
	if !m.Limits(c) {
		return
	}
	now := m.now()
	u.bucket(c).Charge(m.limits.Load().conn[c], n, now)
	if a := u.account.Load(); a != nil {
		a.buckets[c].Charge(m.limits.Load().user[c], n, now)
	}
	if a := m.addressAccount(u.payer, c); a != nil {
		a.buckets[c].Charge(m.limits.Load().addr[c], n, now)
	}
}

// ChargeOwner charges n bytes to a user or an address alone, even if that makes a debt: for messages that
// the server sends by itself because of an action of a client. A user without a connection on this
// node has no account, and is not charged.
func (m *Meter) ChargeOwner(owner budget.Owner, c policy.Class, n int) {
	if !m.Limits(c) {
		return
	}
	a, rate := m.addressAccount(owner, c), m.limits.Load().addr[c]
	if !owner.IsAddr() {
		a, rate = m.userAccount(owner), m.limits.Load().user[c]
	}
	if a != nil {
		a.buckets[c].Charge(rate, n, m.now())
	}
}

// The costs in bytes of things other than publications that a command or a call reads.
const (
	authorCost = 128 // of a member in a presence, besides its texts
	// entryCost is the cost of an entry of the State. To find it, read it and encode it takes 1.2 µs, as
	// long as a kilobyte of a history.
	entryCost = 1 << 10
)

// ChargeHistory charges the connection for a history that was read, and returns the cost. It is known
// only afterwards, so it may make a debt, which stops the next command that reads.
func (m *Meter) ChargeHistory(u *Usage, got engine.History) (n int) {
	n = sizeOf(got.Publications)
	m.Charge(u, policy.ClassRecovered, n)
	return n
}

// ChargePresence charges the connection for a presence that was read, and returns the cost, as
// ChargeHistory does.
func (m *Meter) ChargePresence(u *Usage, all []engine.Author) (n int) {
	for i := range all {
		n += authorCost + len(all[i].User) + len(all[i].ConnInfo) + len(all[i].ChanInfo)
	}
	m.Charge(u, policy.ClassRecovered, n)
	return n
}

// ChargeEntries charges the connection for entries of the State that were read, and returns the cost, as
// ChargeHistory does.
func (m *Meter) ChargeEntries(u *Usage, entries int) (n int) {
	n = entries * entryCost
	m.Charge(u, policy.ClassRecovered, n)
	return n
}

// sizeOf returns the cost of publications, in a reply as in a history.
func sizeOf(all []engine.Publication) (n int) {
	for i := range all {
		n += engine.Cost(&all[i])
	}
	return n
}
