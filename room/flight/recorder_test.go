package flight

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// kept keeps the end of a connection of a user at a time.
func (r *Recorder) kept(user, addr string, at int) {
	r.keep(r.opened, &end{user: user, client: fmt.Sprint("c", at), dialect: "json", at: time.UnixMilli(int64(at)),
		info: netpoll.Info{Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 7)}})
}

// TestShares checks that the records of a user who connects again and again do not make those of others go,
// and that the number of all is limited.
func TestShares(t *testing.T) {
	r := New()
	r.kept("ann", "192.0.2.1", 0)
	for i := range 3 * maxOpened {
		r.kept("eve", "192.0.2.2", 1+i)
	}
	if got := r.Find("ann", 10); len(got) != 1 || got[0].Client != "c0" {
		t.Errorf("of ann there is %+v", got)
	}
	eve := r.Find("eve", 2*maxOpened)
	if len(eve) != maxOpened-1 || eve[0].Client != fmt.Sprint("c", 3*maxOpened) {
		t.Errorf("of eve there are %d records, the first is of %s", len(eve), eve[0].Client)
	}
	if byAddr := r.Find("::ffff:192.0.2.2", 5); len(byAddr) != 5 || byAddr[0].User != "eve" {
		t.Errorf("of the address there are %+v", byAddr)
	}
	var some []Record
	if err := json.Unmarshal(r.Answer("eve"), &some); err != nil || len(some) != maxFound {
		t.Errorf("another node gets %d records, %v", len(some), err)
	}
	for _, nobody := range []string{"", "bob", "192.0.2.3", "0.0.0.0"} {
		if got := r.Find(nobody, 10); got != nil {
			t.Errorf("%q: %+v", nobody, got)
		}
	}
}
