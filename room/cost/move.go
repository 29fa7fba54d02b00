package cost

import (
	"errors"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/budget"
	"webim/room/policy"
)

// A Meter moves to another process in a live upgrade: Export writes down the rates and the accounts, and ExportUsage the Usage of
// one connection. A bucket is written down as the time of day at which it is full, if that time is still to come. If its rate has
// another period in the new process, it keeps its level there, as after SetLimits.

// errState: the state of another process cannot be.
var errState = errors.New("cost: an account is there twice, or has no owner")

// longestDebt limits the harm of a damaged state.
const longestDebt = 1000 * time.Hour

// Export writes down the rates, and then the accounts of users and addresses.
func (m *Meter) Export(e *snapshot.Encoder) {
	l := m.limits.Load()
	for c := range l.conn {
		e.Message(2, func(e *snapshot.Encoder) {
			e.String(1, policy.Flows[c].Setting)
			exportRate(e, 2, l.conn[c])
			exportRate(e, 3, l.user[c])
			exportRate(e, 4, l.addr[c])
		})
	}
	exportRate(e, 3, l.refusals)
	m.accounts.mu.Lock()
	defer m.accounts.mu.Unlock()
	for _, kind := range []map[budget.Owner]*account{m.accounts.users, m.accounts.addrs} {
		for _, a := range kind {
			if a.full() > m.now() {
				e.Message(1, func(e *snapshot.Encoder) {
					e.String(1, a.owner.String())
					m.exportBuckets(e, 2, a.buckets[:])
				})
			}
		}
	}
}

func exportRate(e *snapshot.Encoder, field int, r budget.Rate) {
	e.Message(field, func(e *snapshot.Encoder) {
		e.Int(1, int64(r.N))
		e.Int(2, int64(r.Per))
	})
}

// importRate reads a rate. One that cannot be is no limit.
func importRate(d *snapshot.Decoder) (r budget.Rate) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			r.N = int(d.Int())
		case 2:
			r.Per = time.Duration(d.Int())
		}
	}
	if d.Err() != nil || r.Per <= 0 {
		return budget.Unlimited
	}
	return r
}

// Import reads the rates and accounts of another process, before this one has any accounts. An account without connections is
// forgotten when its buckets are full.
func (m *Meter) Import(d *snapshot.Decoder) error {
	told := func() *limits {
		if m.moved == nil {
			none := ratesOf(policy.NoRates)
			m.moved = &limits{conn: none, user: none, addr: none, refusals: budget.Unlimited}
		}
		return m.moved
	}
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			err = m.importAccount(d.Message())
		case 2:
			err = told().importRates(d.Message())
		case 3:
			told().refusals = importRate(d.Message())
		}
		if err != nil {
			d.Fail(err)
		}
	}
	return d.Err()
}

// importRates reads the rates of a class. Those of a class that this process does not know are left out.
func (l *limits) importRates(d *snapshot.Decoder) error {
	var class string
	conn, user, addr := budget.Unlimited, budget.Unlimited, budget.Unlimited
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			class = d.String()
		case 2:
			conn = importRate(d.Message())
		case 3:
			user = importRate(d.Message())
		case 4:
			addr = importRate(d.Message())
		}
	}
	for c := range l.conn {
		if policy.Flows[c].Setting == class {
			l.conn[c], l.user[c], l.addr[c] = conn, user, addr
		}
	}
	return d.Err()
}

func (m *Meter) importAccount(d *snapshot.Decoder) error {
	var owner budget.Owner
	var all [policy.NumClasses]budget.Bucket
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			owner = budget.ParseOwner(d.String())
		case 2:
			m.importBucket(d.Message(), &all)
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	m.accounts.mu.Lock()
	defer m.accounts.mu.Unlock()
	a, isNew := m.accounts.makeLocked(owner)
	if !isNew || owner == (budget.Owner{}) {
		return errState
	}
	for c := range all {
		a.buckets[c].SetFull(all[c].Full())
	}
	switch {
	case m.moved == nil:
	case owner.IsAddr():
		a.rescale(&m.moved.addr, &m.limits.Load().addr, m.now())
	default:
		a.rescale(&m.moved.user, &m.limits.Load().user, m.now())
	}
	m.retireLaterLocked(a, m.timeOf(a.full()))
	return nil
}

// ExportUsage writes down the payer and the buckets of a connection.
func (m *Meter) ExportUsage(e *snapshot.Encoder, u *Usage) {
	e.String(1, u.payer.String())
	e.Bool(2, u.account.Load() != nil)
	var all [policy.NumClasses]budget.Bucket
	more := u.more.Load()
	if more != nil {
		for c := range all {
			all[c].SetFull(more.classes[c].Full())
		}
	}
	for _, c := range []policy.Class{policy.ClassJoin, policy.ClassRPC, policy.ClassInput} {
		all[c].SetFull(u.bucket(c).Full())
	}
	m.exportBuckets(e, 3, all[:])
	if more != nil && more.refusals.Full() > m.now() {
		e.Time(4, m.timeOf(more.refusals.Full()))
	}
}

// ImportUsage reads what ExportUsage has written down into a new Usage. If the connection counted to its user, it
// counts here, too, even above Config.MaxConnsPerUser.
func (m *Meter) ImportUsage(d *snapshot.Decoder, u *Usage, user string) error {
	var all [policy.NumClasses]budget.Bucket
	counted := false
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			u.payer = budget.ParseOwner(d.String())
		case 2:
			counted = d.Bool()
		case 3:
			m.importBucket(d.Message(), &all)
		case 4:
			u.others().refusals.SetFull(m.clockOf(d.Time()))
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	for c := range all {
		if full := all[c].Full(); full > 0 {
			u.bucket(policy.Class(c)).SetFull(full)
		}
	}
	if l := m.limits.Load(); m.moved != nil && (m.moved.conn != l.conn || m.moved.refusals != l.refusals) {
		u.rescale(m.moved, l, m.now())
	}
	if counted && user != "" {
		m.accounts.mu.Lock()
		defer m.accounts.mu.Unlock()
		a, _ := m.accounts.makeLocked(budget.User(user))
		m.countLocked(u, a)
	}
	return nil
}

// exportBuckets writes down the buckets that are not full, each with the name of its class.
func (m *Meter) exportBuckets(e *snapshot.Encoder, field int, all []budget.Bucket) {
	for c := range all {
		if full := all[c].Full(); full > m.now() {
			e.Message(field, func(e *snapshot.Encoder) {
				e.String(1, policy.Flows[c].Setting)
				e.Time(2, m.timeOf(full))
			})
		}
	}
}

// importBucket reads a bucket into that of its class. A class that this process does not know is left out.
func (m *Meter) importBucket(d *snapshot.Decoder, all *[policy.NumClasses]budget.Bucket) {
	var class string
	var full int64
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			class = d.String()
		case 2:
			full = m.clockOf(d.Time())
		}
	}
	for c := range all {
		if policy.Flows[c].Setting == class {
			all[c].SetFull(full)
		}
	}
}

// timeOf returns the time of day at a time on the clock of the buckets. clockOf is its inverse; it returns at least 0.
func (m *Meter) timeOf(t int64) time.Time { return time.Now().Add(time.Duration(t - m.now())) }

func (m *Meter) clockOf(t time.Time) int64 {
	return max(0, m.now()+int64(min(time.Until(t), longestDebt)))
}
