package room

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"webim/room/budget"
	"webim/room/engine/memory"
	"webim/room/token"
)

// What all connections share of their budgets is the lock of the accounts: of an address
// each charge takes it, of a user only connecting and closing. Run it with -cpu 1,2.
func BenchmarkAccounts(b *testing.B) {
	h := NewHub(Config{Anonymous: true, Engine: memory.New(memory.Limits{})})
	var n atomic.Int64
	for _, c := range []struct {
		name string
		one  func(p *Principal, i int64) func()
	}{
		{"charge an address", func(p *Principal, i int64) func() {
			p.Init(Anonymous, budget.Addr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})))
			return func() { h.charge(p, ClassInput, 1) }
		}},
		{"charge a user", func(p *Principal, i int64) func() {
			user := fmt.Sprint("user", i)
			p.Init(&token.Identity{User: user}, budget.User(user))
			h.CountConnection(p)
			return func() { h.charge(p, ClassInput, 1) }
		}},
		{"connect and close", func(p *Principal, i int64) func() {
			user := fmt.Sprint("user", i)
			p.Init(&token.Identity{User: user}, budget.User(user))
			return func() { h.CountConnection(p); h.UncountConnection(p) }
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				f := c.one(new(Principal), n.Add(1))
				for pb.Next() {
					f()
				}
			})
		})
	}
}
