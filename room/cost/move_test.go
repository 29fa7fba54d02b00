package cost

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/policy"
)

// exported writes down a meter and the Usage of a connection.
func exported(m *Meter, u *Usage) []byte {
	var e snapshot.Encoder
	e.Message(1, m.Export)
	e.Message(2, func(e *snapshot.Encoder) { m.ExportUsage(e, u) })
	return e.B
}

// imported reads what exported has written down.
func imported(state []byte) (m *Meter, u *Usage, err error) { return importedTo(newMeter(4), state) }

// importedTo is imported for a meter.
func importedTo(m *Meter, state []byte) (_ *Meter, u *Usage, err error) {
	u = new(Usage)
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0 && err == nil; field = d.Next() {
		switch field {
		case 1:
			err = m.Import(d.Message())
		case 2:
			err = m.ImportUsage(d.Message(), u, "ann")
		}
	}
	if err == nil {
		err = d.Err()
	}
	return m, u, err
}

// used returns a meter on which a connection of ann, and an address, have used something of each class.
func used() (*Meter, *Usage) {
	m := newMeter(4)
	u := usageOf(m, "ann", here)
	for c := range policy.NumClasses {
		m.Charge(u, c, 1+int(c))
	}
	m.ChargeOwner(budget.Addr(here), policy.ClassInput, 30)
	m.refuse(u, policy.ClassSend, "", m.now())
	return m, u
}

// TestMove checks that rates and refusals go on in another process where they were, for a connection, its user and an
// address.
func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, was := used()
		state := exported(old, was)
		time.Sleep(10 * time.Second)
		m, u, err := imported(state)
		if err != nil {
			t.Fatal(err)
		}
		for c := range policy.NumClasses {
			if got, want := m.Debt(u, c), old.Debt(was, c); got != want {
				t.Errorf("class %d: a debt of %v, want %v", c, got, want)
			}
			if got, want := u.bucket(c).Used(m.limits.Load().conn[c], m.now()), was.bucket(c).Used(old.limits.Load().conn[c], old.now()); got != want {
				t.Errorf("class %d: %d used, want %d", c, got, want)
			}
		}
		if got, want := u.others().refusals.Used(m.cfg.Refusals, m.now()), was.others().refusals.Used(old.cfg.Refusals, old.now()); got != want {
			t.Errorf("%d refusals, want %d", got, want)
		}
		if got, want := m.Counts(), old.Counts(); got.Users != want.Users || got.Conns != want.Conns || u.Payer() != was.Payer() {
			t.Errorf("%+v, payer %s; want %+v, %s", got, u.Payer(), want, was.Payer())
		}
		addr := m.addressAccount(budget.Addr(here), policy.ClassInput)
		if got := addr.buckets[policy.ClassInput].Used(m.limits.Load().addr[policy.ClassInput], m.now()); got == 0 {
			t.Error("the account of the address is new")
		}
		m.UncountConnection(u)
		time.Sleep(time.Hour)
		m.cfg.Timers.Run()
		if got := m.Counts(); got.Users != 0 || len(m.accounts.addrs) != 0 {
			t.Errorf("accounts are left: %+v", got)
		}
	})
}

// TestMoveToOtherRates checks that the half of a rate that was used is the half of the rate that the new process has: of a connection, a
// user and an address.
func TestMoveToOtherRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newMeter(8)
		was := usageOf(old, "ann", here)
		account, refusals := old.userAccount(was.Payer()), &was.others().refusals
		for c := range policy.NumClasses {
			was.bucket(c).Charge(old.cfg.Rates.Of(c), 4, old.now())
			account.buckets[c].Charge(old.cfg.UserRates.Of(c), 8, old.now())
			if a := old.addressAccount(budget.Addr(here), c); a != nil {
				rate := old.limits.Load().addr[c]
				a.buckets[c].Charge(rate, rate.N/2, old.now())
			}
		}
		refusals.Charge(old.cfg.Refusals, 1, old.now())

		next := newMeter(16).cfg
		next.Refusals.Per = time.Hour
		for c := range policy.NumClasses {
			next.Rates.Set(c, budget.Rate{N: 16, Per: time.Hour})
			next.UserRates.Set(c, budget.Rate{N: 32, Per: time.Second})
		}
		m, u, err := importedTo(New(next), exported(old, was))
		if err != nil {
			t.Fatal(err)
		}
		half := func(what string, b *budget.Bucket, r budget.Rate) {
			t.Helper()
			if got := b.Used(r, m.now()); got != r.N/2 {
				t.Errorf("%s: %d of %d are used", what, got, r.N)
			}
		}
		for c := range policy.NumClasses {
			name := policy.Flows[c].Setting
			half("a connection: "+name, u.bucket(c), next.Rates.Of(c))
			half("a user: "+name, &m.userAccount(u.Payer()).buckets[c], next.UserRates.Of(c))
			if a := m.addressAccount(budget.Addr(here), c); a != nil {
				half("an address: "+name, &a.buckets[c], m.limits.Load().addr[c])
			}
		}
		half("refusals", &u.others().refusals, next.Refusals)
	})
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its time begins at a fixed date
		state := wstest.Golden(t, "v1", exported(used()))
		m, u, err := imported(state)
		if err != nil || !bytes.Equal(exported(m, u), state) {
			t.Errorf("it is read as something else: %v", err)
		}
	})
}

// FuzzImport checks that no state makes the reader panic, and that what it reads it can write.
func FuzzImport(f *testing.F) {
	f.Add(exported(used()))
	f.Fuzz(func(t *testing.T, state []byte) {
		m, u, err := imported(state)
		if err != nil {
			return
		}
		if _, _, err := imported(exported(m, u)); err != nil {
			t.Error(err)
		}
	})
}
