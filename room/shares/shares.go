package shares

import (
	"errors"
	"sync"

	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// ErrFull means that the entry exceeds the share of its owner.
var ErrFull = errors.New("shares: the entry exceeds the share of its owner")

// ClientError returns an error of the State in the form for clients: nil, or a wire.ErrorCode, perhaps
// with an explanation.
func ClientError(err error) error {
	switch err {
	case nil:
		return nil
	case ErrFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: you keep as many rooms, marks and bans as one user or address may: leave a room")
	case engine.ErrStateFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: the server's state is full")
	}
	return wire.Internal(err)
}

// Shares counts the entries of a State by owner. It is safe for concurrent use.
type Shares struct {
	state   engine.State
	log     *ratelog.Logger
	pool    *budget.Pool
	rosters rosters

	mu    sync.Mutex
	gifts map[string]int // by user
}

// New returns the Shares of a State. They count nothing before Watch. log gets a line when an entry is
// refused.
func New(state engine.State, log *ratelog.Logger) *Shares {
	limit := state.MaxState()
	if limit > 0 {
		limit -= limit / engine.Reserve // the reserve is for bans and mutes
	}
	return &Shares{state: state, log: log, pool: budget.NewPool(limit), gifts: map[string]int{}, rosters: rosters{sizes: map[string]int{}}}
}

// tables are the tables with counted entries.
var tables = []string{engine.TableRoom, engine.TableMember, engine.TableMine, engine.TableMark, engine.TableReaction, engine.TableRevision,
	engine.TableDecline, engine.TableBan, engine.TableBanIP, engine.TableMute}

// Watch begins to count. stop ends it.
func (s *Shares) Watch() (stop func()) {
	stops := []func(){s.state.Watch(engine.TableMember, s.rosters.count)}
	for _, table := range tables {
		stops = append(stops, s.state.Watch(table, s.count))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// RosterSize returns the number of users on the roster of a room. It does not ask the engine.
func (s *Shares) RosterSize(room string) int { return s.rosters.size(room) }

// Held returns how many bytes the entries of an owner take.
func (s *Shares) Held(o budget.Owner) int64 { return s.pool.Held(o) }

// Used returns how many bytes all entries take.
func (s *Shares) Used() int64 { return s.pool.Used() }

// count subtracts an entry from the share of its old owner and adds it to that of its new one.
func (s *Shares) count(was, is engine.Entry) {
	if is.Key.IsReserved() {
		return
	}
	if was.Value != nil {
		s.pool.Add(was.Owner, -was.Cost())
		s.countGift(was, -1)
	}
	if is.Value != nil {
		s.pool.Add(is.Owner, is.Cost())
		s.countGift(is, 1)
	}
}

// countGift counts n gifts more if the entry is a gift.
func (s *Shares) countGift(e engine.Entry, n int) {
	if e.Table != engine.TableMine || policy.IsGuest(e.Of) || e.Owner == budget.User(e.Of) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gifts[e.Of] += n; s.gifts[e.Of] <= 0 {
		delete(s.gifts, e.Of)
	}
}

func (s *Shares) hasGifts(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gifts[user] > 0
}

// maxAdopted is the maximum number of entries that Adopt looks at. The list of a user has no more rooms.
const maxAdopted = 1000

// Adopt makes a user the owner of the memberships that others have made for it. The hub calls it when a
// connection of the user connects. Entries that do not fit into the user's share stay with their owners.
func (s *Shares) Adopt(user string) {
	if user == "" || policy.IsGuest(user) || !s.hasGifts(user) {
		return
	}
	owner := budget.User(user)
	adopt := func(e engine.Entry) {
		if e.Version == 0 || e.Owner == owner || !s.pool.Fits(owner, e.Cost()) {
			return
		}
		e.Owner = owner
		s.state.Put(e, func(uint64, error) {}) // if it has changed meanwhile, the next connection adopts it
	}
	s.state.List(engine.TableMine, user, "", maxAdopted, func(all []engine.Entry, err error) {
		if err != nil {
			return // the next connection adopts them
		}
		for _, e := range all {
			adopt(e)
			s.state.Get(engine.Key{Table: engine.TableMember, Of: e.Name, Name: user}, func(e engine.Entry, err error) {
				if err == nil {
					adopt(e)
				}
			})
		}
	})
}
