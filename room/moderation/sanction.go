package moderation

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Sanction is a ban or a mute.
type Sanction struct {
	Table  string    // engine.TableBan, engine.TableBanIP or engine.TableMute
	Room   string    // "": on the whole server
	Who    string    // the user, or the network as ParseNetwork returns it
	Until  time.Time // zero: until somebody lifts it
	By     string    // the user that imposed it; "": a backend
	LogBy  string    // the author in the audit log; "": By
	Reason string    // at most MaxReason bytes without control characters
	At     time.Time
	// Over means that an admin or a backend imposes or lifts the sanction. It binds admins, too,
	// and moderators can neither lift nor replace it.
	Over bool
	// Payer pays for a sanction in a private room; the reserve of the State is for all others.
	Payer budget.Owner
}

// MaxReason is the maximum size of a sanction's reason, in bytes.
const MaxReason = 200

// value is the value of a sanction's entry, as JSON.
type value struct {
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	At     int64  `json:"at"` // unix seconds
	Over   bool   `json:"over,omitempty"`
}

func (s *Sanction) key() engine.Key { return engine.Key{Table: s.Table, Of: s.Room, Name: s.Who} }

// fromEntry returns the sanction that an entry of the State contains.
func fromEntry(e engine.Entry, table, room string) Sanction {
	var v value
	_ = json.Unmarshal(e.Value, &v) // a value that cannot be read has no author and no reason
	return Sanction{Table: table, Room: room, Who: e.Name, Until: e.Expires, By: v.By, Reason: v.Reason, At: time.Unix(v.At, 0), Over: v.Over, Payer: e.Owner}
}

// reachOf returns the reach of the sanction in an entry.
func reachOf(e engine.Entry) policy.Reach {
	var v value
	if e.Value == nil {
		return policy.Nobody
	}
	if _ = json.Unmarshal(e.Value, &v); v.Over { // a value that cannot be read is a moderator's
		return policy.All
	}
	return policy.Most
}

// validate returns the fault of a sanction as a sentence for the caller, and normalizes the names
// in it.
func (s *Sanction) validate() error {
	bad := func(text string) error { return wire.Explain(wire.ErrBadRequest, "bad request: "+text) }
	if s.Room != "" {
		name, err := wire.RoomName(s.Room)
		if err != nil {
			return bad(err.Error())
		}
		s.Room = name
	}
	switch {
	case s.Who == "":
		return bad("user is missing")
	case len(s.Who) > wire.MaxRoomName:
		return bad("user is too long")
	case !printable(s.Who):
		return bad("user has control characters or is not UTF-8")
	case len(s.Reason) > MaxReason:
		return bad("reason is over " + strconv.Itoa(MaxReason) + " bytes")
	case !printable(s.Reason):
		return bad("reason has control characters or is not UTF-8")
	}
	if s.Table == engine.TableBanIP {
		net, err := ParseNetwork(s.Who)
		if err != nil {
			return bad(err.Error())
		}
		s.Who = net.String()
	}
	return nil
}

// printable reports whether a text may be in a line of the log, and in tags.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// ParseNetwork parses the target of a ban by address: a prefix, or an address. An address of IPv6
// stands for its /64, because a subscriber has that many. ParseNetwork refuses networks as large as
// those of whole providers.
func ParseNetwork(text string) (netip.Prefix, error) {
	net, err := netip.ParsePrefix(text)
	if !strings.Contains(text, "/") {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(text); err == nil {
			bits := 32
			if addr = addr.Unmap().WithZone(""); addr.Is6() {
				bits = 64
			}
			net = netip.PrefixFrom(addr, bits)
		}
	}
	least := 8
	if net.Addr().Is6() {
		least = 32
	}
	switch {
	case err != nil || net.Addr().Is4In6():
		return net, errors.New("ip is an address or a network, as 192.0.2.7 or 192.0.2.0/24")
	case net.Bits() < least:
		return net, errors.New("ip is too large a network: /8 of IPv4 and /32 of IPv6 are the largest")
	}
	return net.Masked(), nil
}
