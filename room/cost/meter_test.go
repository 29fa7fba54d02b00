package cost

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/timers"
	"webim/room/policy"
	"webim/room/wire"
)

// newMeter makes a meter with n units a minute in each class for connections, and twice as much for users.
func newMeter(n int) *Meter {
	var conn, user policy.Rates
	for c := range policy.NumClasses {
		conn.Set(c, budget.Rate{N: n, Per: time.Minute})
		user.Set(c, budget.Rate{N: 2 * n, Per: time.Minute})
	}
	return New(Config{Limits: Limits{Rates: conn, UserRates: user, Refusals: budget.Rate{N: 2, Per: time.Minute}, MaxConnsPerUser: 2, MaxReply: 1000, MaxReplies: 1 << 20}, Timers: new(timers.List)})
}

// usageOf makes the Usage of a connection that has connected.
func usageOf(m *Meter, user string, addr netip.Addr) *Usage {
	u := new(Usage)
	u.SetPayer(PayerOf(user, addr))
	m.CountConnection(u, user)
	return u
}

var here = netip.MustParseAddr("192.0.2.7")

// TestAllow checks that a connection is refused first, then closed, and that users pay together.
func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(4)
		first, second, third := usageOf(m, "ann", here), usageOf(m, "ann", here), usageOf(m, "bob", here)
		for i, c := range []struct {
			u    *Usage
			want error
		}{
			{first, nil}, {first, nil}, {first, nil}, {first, nil}, {first, wire.ErrTooManyRequests},
			{second, nil}, {second, nil}, {second, nil}, {second, nil}, {second, wire.ErrTooManyRequests},
			{first, wire.ErrTooManyRequests}, {first, wire.DisconnectTooManyErrors}, {third, nil},
		} {
			if err := m.Allow(c.u, policy.ClassSend); err != c.want {
				t.Errorf("command %d: %v, want %v", i, err, c.want)
			}
		}
		if got := m.Counts(); got.Refused[policy.ClassSend] != 4 || got.Closed != 1 || got.Users != 2 || got.Conns != 3 {
			t.Errorf("%+v", got)
		}
		time.Sleep(time.Minute)
		if err := m.Allow(first, policy.ClassSend); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// TestAccountIsKept checks that an account is kept until it is full, and not longer.
func TestAccountIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(60)
		for range 3 {
			u := usageOf(m, "ann", here)
			m.AllowUser(u, policy.ClassRPC)
			m.UncountConnection(u)
			m.UncountConnection(u) // a second time does nothing
			if got := m.Counts(); got.Users != 1 || got.Conns != 0 {
				t.Errorf("after the last connection: %+v", got)
			}
		}
		for _, want := range []int{1, 1, 0} { // three commands refill in 1.5 s
			if m.cfg.Timers.Run(); m.Counts().Users != want {
				t.Errorf("%d users, want %d", m.Counts().Users, want)
			}
			time.Sleep(time.Second)
		}
		if m.accounts.users != nil || len(m.cfg.Timers.Times()) > 0 {
			t.Error("something is left")
		}
		m.Charge(usageOf(m, "", here), policy.ClassInput, 240)
		time.Sleep(time.Second)
		if m.cfg.Timers.Run(); len(m.accounts.addrs) != 1 {
			t.Error("the account of an address is forgotten before it is full")
		}
		time.Sleep(time.Minute)
		if m.cfg.Timers.Run(); m.accounts.addrs != nil {
			t.Error("the account of an address is kept")
		}
	})
}

// TestMaxConns checks the number of connections of a user.
func TestMaxConns(t *testing.T) {
	m := newMeter(1)
	usageOf(m, "ann", here)
	last := usageOf(m, "ann", here)
	if !m.HasMaxConnections("ann") || m.CountConnection(new(Usage), "ann") || m.HasMaxConnections("bob") || m.Counts().TooMany != 2 {
		t.Errorf("with as many connections as ann may have: %+v", m.Counts())
	}
	if m.UncountConnection(last); m.HasMaxConnections("ann") || !m.CountConnection(last, "ann") {
		t.Error("ann may not replace a connection")
	}
}

// TestAccountOfAReturningUser checks that the account of a user that connects again before it is full is
// still there, with all connections, after the time at which it would have been forgotten.
func TestAccountOfAReturningUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(60)
		u := usageOf(m, "ann", here)
		m.AllowUser(u, policy.ClassRPC)
		m.UncountConnection(u) // the account is not full, so a timer will forget it
		usageOf(m, "ann", here)
		time.Sleep(time.Minute)
		m.cfg.Timers.Run()
		if usageOf(m, "ann", here); !m.HasMaxConnections("ann") || m.Counts().Users != 1 {
			t.Errorf("with as many connections as ann may have: %+v", m.Counts())
		}
	})
}

// TestDebt checks that one cost may exceed a rate, and that the next one then waits: of a connection
// with a token those of its user, of others those of its address.
func TestDebt(t *testing.T) {
	const c = policy.ClassFanout
	for user, colleague := range map[string]error{"ann": nil, "": wire.ErrTooManyRequests} {
		m := newMeter(100)
		u, other := usageOf(m, user, here), usageOf(m, "", here)
		if err := m.Spend(u, c, 10_000); err != nil {
			t.Fatal(err)
		}
		if m.Debt(u, c) == 0 || m.Spend(u, c, 1) != wire.ErrTooManyRequests || m.CheckDebt(u, c) != wire.ErrTooManyRequests {
			t.Errorf("user %q has no debt", user)
		}
		if err := m.Spend(u, c, 0); err != nil {
			t.Errorf("nothing costs something: %v", err)
		}
		if err := m.Spend(other, c, 1); err != colleague {
			t.Errorf("a client without a token at the address of %q: %v", user, err)
		}
	}
}

// TestReply checks that a reply carries all missed publications of a room, or none of them.
func TestReply(t *testing.T) {
	missed := func(n int, top uint64) engine.History {
		return engine.History{Top: engine.Position{Epoch: "e", Offset: top}, Publications: []engine.Publication{{Message: engine.Message{Data: make([]byte, n)}, Offset: 1}}}
	}
	m := newMeter(1 << 20)
	r := m.NewReply(usageOf(m, "ann", here))
	if !r.Add(engine.History{}) || !r.Add(missed(100, 1)) || r.Add(missed(100, 2)) || r.Add(missed(2000, 1)) || !r.Add(missed(200, 1)) {
		t.Error("the reply takes too much or too little")
	}
	if got := m.Counts(); r.Left() > 700 || got.Replies < 900 || got.Refused[policy.ClassRecovered] != 2 {
		t.Errorf("%d bytes are left; %+v", r.Left(), got)
	}
	if r.End(); m.Counts().Replies != 0 {
		t.Error("a reply that has ended takes something")
	}
	if r.Add(missed(100, 1)); m.Counts().Replies != 0 {
		t.Error("publications that came after the end are kept")
	}
}

// TestSetLimits checks that a reply in progress keeps its part of MaxReplies when the limit becomes less, and that the next one
// gets nothing until there is space again.
func TestSetLimits(t *testing.T) {
	m := newMeter(1 << 20)
	missed := engine.History{Top: engine.Position{Epoch: "e", Offset: 1}, Publications: []engine.Publication{{Message: engine.Message{Data: make([]byte, 100)}, Offset: 1}}}
	u := usageOf(m, "ann", here)
	first, less := m.NewReply(u), m.cfg.Limits
	if first.Add(missed); m.Counts().Replies == 0 {
		t.Fatal("the first reply gets nothing")
	}
	less.MaxReplies = 1
	m.SetLimits(less, nil)
	if next := m.NewReply(u); next.Add(missed) {
		t.Error("above the new limit a reply gets something")
	}
	m.SetLimits(m.cfg.Limits, nil)
	if next := m.NewReply(u); !next.Add(missed) {
		t.Error("below the old limit a reply gets nothing")
	} else {
		next.End()
	}
	if first.End(); m.Counts().Replies != 0 {
		t.Errorf("%+v", m.Counts())
	}
}

// TestSetLimitsKeepsLevels checks that the half of a rate that was used is the half of the new one: of connections, users and addresses.
func TestSetLimitsKeepsLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(8)
		ann, guest := usageOf(m, "ann", here), usageOf(m, "", here)
		next := newMeter(16).cfg.Limits
		next.Refusals.Per = time.Hour
		type level struct {
			b         *budget.Bucket
			old, next budget.Rate
		}
		levels := map[string]level{"refusals": {&ann.others().refusals, m.cfg.Refusals, next.Refusals}}
		for c := range policy.NumClasses {
			next.Rates.Set(c, budget.Rate{N: 16, Per: time.Hour})
			next.UserRates.Set(c, budget.Rate{N: 32, Per: time.Second})
			name := policy.Flows[c].Setting
			levels["a connection: "+name] = level{guest.bucket(c), m.cfg.Rates.Of(c), next.Rates.Of(c)}
			levels["a user: "+name] = level{&m.userAccount(ann.Payer()).buckets[c], m.cfg.UserRates.Of(c), next.UserRates.Of(c)}
			if a := m.addressAccount(guest.Payer(), c); a != nil {
				was, is := m.cfg.UserRates.Address(), next.UserRates.Address()
				levels["an address: "+name] = level{&a.buckets[c], was.Of(c), is.Of(c)}
			}
		}
		for _, l := range levels {
			l.b.Charge(l.old, l.old.N/2, m.now())
		}
		m.SetLimits(next, slices.Values([]*Usage{ann, guest, new(Usage)}))
		for name, l := range levels {
			if got := l.b.Used(l.next, m.now()); got != l.next.N/2 {
				t.Errorf("%s: %d of %d are used", name, got, l.next.N)
			}
		}
	})
}

// TestReadsMuch checks that a connection with large replies goes to the background, and comes back.
func TestReadsMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter(ReadsMuch * TurnReplies)
		u := usageOf(m, "ann", here)
		if u.IsTurnOver() || m.MoveToBackground(u) {
			t.Error("before anything was read")
		}
		m.Charge(u, policy.ClassRecovered, TurnReplies+1000)
		if !u.IsTurnOver() || u.IsTurnOver() {
			t.Error("the turn does not end once")
		}
		if !m.MoveToBackground(u) || m.MoveToBackground(u) || !m.Read(u, netpoll.Cost{}).Background {
			t.Error("it is not moved to the background once")
		}
		time.Sleep(time.Minute)
		if u.BeginMessage(); m.Read(u, netpoll.Cost{}).Background {
			t.Error("it stays in the background")
		}
	})
}

// TestSize: an idle connection costs a Usage.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Usage{}); n > 56 {
		t.Errorf("a Usage takes %d bytes", n)
	}
}

// TestLockOrderNamesEachMutex: see wstest.LockOrder.
func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }
