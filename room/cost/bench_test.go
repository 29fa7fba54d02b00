package cost

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"webim/room/policy"
)

// BenchmarkAccounts measures the lock of the accounts, which is all that connections share here: each
// charge to an address takes it, but for a user only connecting and closing do. Run it with -cpu 1,2.
func BenchmarkAccounts(b *testing.B) {
	m := newMeter(1 << 30)
	var n atomic.Int64
	for _, c := range []struct {
		name string
		one  func(i int64) func()
	}{
		{"charge an address", func(i int64) func() {
			u := usageOf(m, "", netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			return func() { m.Charge(u, policy.ClassInput, 1) }
		}},
		{"charge a user", func(i int64) func() {
			u := usageOf(m, fmt.Sprint("user", i), here)
			return func() { m.Charge(u, policy.ClassInput, 1) }
		}},
		{"connect and close", func(i int64) func() {
			u, user := new(Usage), fmt.Sprint("user", i)
			return func() { m.CountConnection(u, user); m.UncountConnection(u) }
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				f := c.one(n.Add(1))
				for pb.Next() {
					f()
				}
			})
		})
	}
}
