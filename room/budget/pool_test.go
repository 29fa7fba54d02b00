package budget

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// takeAll takes single units until the pool refuses, and returns their number.
func takeAll(p *Pool, o Owner) (n int) {
	for p.Take(o, 1) {
		n++
	}
	return n
}

func TestPoolShares(t *testing.T) {
	p := NewPool(170_000)
	if n := takeAll(p, User("first")); n != 10_000 {
		t.Errorf("one owner takes %d of 170,000 units, want 1/17", n)
	}
	for i := range 50 {
		takeAll(p, User(fmt.Sprint("other ", i)))
	}
	if !p.Take(User("bystander"), 400) {
		t.Errorf("after 51 owners took all that they may, another one gets nothing: %d used", p.Used())
	}
	if p.Take(User("first"), 1) {
		t.Error("the owner that holds most gets more")
	}
}

func TestPoolServerIsBoundByTheLimitOnly(t *testing.T) {
	p := NewPool(100)
	takeAll(p, User("anna"))
	if n := takeAll(p, Owner{}); n != 95 {
		t.Errorf("the server takes %d units of the 95 that are left", n)
	}
	if p.Take(Owner{}, 1) || p.Take(User("bob"), 1) {
		t.Error("a full pool gives more")
	}
}

func TestPoolWithoutALimit(t *testing.T) {
	p := NewPool(-1)
	if !p.Take(User("anna"), 1<<50) || p.Over() {
		t.Error("a pool without a limit refuses")
	}
	if _, ok := p.Largest(); ok {
		t.Error("in a pool without a limit Largest returns an owner")
	}
}

// TestPoolSetLimit checks that owners keep what they hold above a new limit, get no more, and are the largest by the new limit.
func TestPoolSetLimit(t *testing.T) {
	p := NewPool(-1)
	anna := User("anna")
	p.Add(anna, 100)
	if _, ok := p.Largest(); ok {
		t.Error("an owner is large without a limit")
	}
	p.SetLimit(50)
	if o, ok := p.Largest(); !ok || o != anna || !p.Over() || p.Held(anna) != 100 || p.Take(User("bob"), 1) || p.Limit() != 50 {
		t.Errorf("below what there is: %v, %v, %d held", o, ok, p.Held(anna))
	}
	p.SetLimit(10_000)
	if _, ok := p.Largest(); ok || p.Over() || !p.Take(anna, 1) || !p.Take(User("bob"), 1) {
		t.Error("above what there is, an owner gets nothing, or is large")
	}
}

func TestPoolLargest(t *testing.T) {
	p := NewPool(6400)
	p.Add(User("small"), 100) // exactly 1/64
	if o, ok := p.Largest(); ok {
		t.Errorf("Largest is %v, which holds no more than 1/64", o)
	}
	p.Add(Owner{}, 5000)
	p.Add(User("large"), 200)
	p.Add(User("larger"), 300)
	if o, _ := p.Largest(); o != User("larger") {
		t.Errorf("Largest is %v", o)
	}
	p.Add(User("larger"), -150)
	if o, _ := p.Largest(); o != User("large") {
		t.Errorf("after the largest owner gave back, Largest is %v", o)
	}
	p.Add(User("large"), -200)
	p.Add(User("larger"), -150)
	if o, ok := p.Largest(); ok {
		t.Errorf("Largest is %v, which holds nothing", o)
	}
}

// TestPoolCounts compares a pool with sums in a plain map.
func TestPoolCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, held := NewPool(1000), map[Owner]int64{}
		owner := rapid.Custom(func(t *rapid.T) Owner {
			return []Owner{{}, User("a"), User("b"), Addr(netip.MustParseAddr("192.0.2.7"))}[rapid.IntRange(0, 3).Draw(t, "owner")]
		})
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			o, n := owner.Draw(t, "who"), rapid.Int64Range(1, 100).Draw(t, "n")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				fits := p.Fits(o, n)
				if p.Take(o, n) != fits {
					t.Fatal("Fits and Take disagree")
				}
				if fits {
					held[o] += n
				}
			case 1:
				p.Add(o, n)
				held[o] += n
			case 2:
				n = min(n, held[o])
				p.Add(o, -n)
				held[o] -= n
			}
			sum, most := int64(0), int64(0)
			for o, n := range held {
				sum += n
				if o != (Owner{}) {
					most = max(most, n)
				}
			}
			largest, ok := p.Largest()
			if p.Used() != sum || p.Over() != (sum > 1000) || ok != (most > 1000/notable) || ok && p.Held(largest) != most {
				t.Fatalf("used %d, over %v, largest %v %v; held: %v", p.Used(), p.Over(), largest, ok, held)
			}
		}
	})
}

func TestOwnerAsText(t *testing.T) {
	for _, o := range []Owner{{}, User("anna"), User(""), User("user:x"), Addr(netip.MustParseAddr("192.0.2.7"))} {
		if back := ParseOwner(o.String()); back != o {
			t.Errorf("%q is read as %q", o, back)
		}
	}
	one, two := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:2")
	if Addr(one) != Addr(two) || Addr(one) == Addr(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("two addresses of one /64 are different owners")
	}
	if Addr(netip.MustParseAddr("::ffff:192.0.2.7")) != Addr(netip.MustParseAddr("192.0.2.7")) {
		t.Error("an IPv4 address mapped to IPv6 is another owner")
	}
}
