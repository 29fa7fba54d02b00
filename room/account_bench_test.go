package room

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"webim/room/budget"
)

// What all connections share of their budgets is the lock of the accounts: of an address
// each charge takes it, of a user only connecting and closing. Run it with -cpu 1,2.
func BenchmarkAccounts(b *testing.B) {
	h := newHub(Config{Anonymous: true})
	var n atomic.Int64
	for _, c := range []struct {
		name string
		one  func(q *quota, i int64) func()
	}{
		{"charge an address", func(q *quota, i int64) func() {
			payer := budget.Addr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			return func() { h.charge(q, payer, classInput, 1) }
		}},
		{"charge a user", func(q *quota, i int64) func() {
			user := fmt.Sprint("user", i)
			h.enlist(q, user)
			payer := budget.User(user)
			return func() { h.charge(q, payer, classInput, 1) }
		}},
		{"connect and close", func(q *quota, i int64) func() {
			user := fmt.Sprint("user", i)
			return func() { h.enlist(q, user); h.discharge(q, user) }
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				f := c.one(new(quota), n.Add(1))
				for pb.Next() {
					f()
				}
			})
		})
	}
}
