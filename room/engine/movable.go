package engine

import (
	"context"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/budget"
)

// Movable is an engine with a node that can move to another process, in a live upgrade.
//
// In the old process, Freeze comes first, when the node has no call under way. It waits for publications and changes that are under
// way nevertheless. From its return on, the engine calls no Subscriber, Node, watcher or done, and holds no file that the new
// process needs, except a lock. A publication or a change that comes then waits, or gets ErrUnavailable. Export writes the state down. After
// that comes either Thaw, and the engine goes on as before, or Release: the engine ends without telling other nodes,
// because the node lives on in the new process. Then calls that have waited, and later ones, get
// ErrUnavailable: nothing is acknowledged that the new process does not have. Thaw follows also if Freeze has failed.
//
// In the new process, Import comes first of all, before hubs are there and before anything is published. Thaw follows
// when the old process has given up the node: not before that do other nodes hear of this one. It returns an error if
// the store cannot be used yet; the engine goes on trying.
type Movable interface {
	Freeze(ctx context.Context) error
	Export(e *snapshot.Encoder)
	Thaw() error
	Release()
	Import(state []byte) error
}

// Resumer is an engine in which publications go on while a node moves.
type Resumer interface {
	// Resume is Subscribe for a subscriber that has all publications up to a position: as long as the epoch of the room is
	// the same, Begin is called with that position, and the publications since then follow.
	Resume(room string, payer budget.Owner, s Subscriber, at Position)
}

// Interrupter is a Movable with a store that cannot be used while it moves.
type Interrupter interface {
	// Interruption returns how long the last move took until the store could be used again: after Import in the new
	// process, and after Thaw in the old one. 0: the store was never interrupted.
	Interruption() time.Duration
}

// Encode writes an author down for another process.
func (a *Author) Encode(e *snapshot.Encoder) {
	e.String(1, a.User)
	e.String(2, a.Client)
	e.Bytes(3, a.ConnInfo)
	e.Bytes(4, a.ChanInfo)
}

// DecodeAuthor reads an author that Encode has written down.
func DecodeAuthor(d *snapshot.Decoder) (a Author, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			a.User = d.String()
		case 2:
			a.Client = d.String()
		case 3:
			a.ConnInfo = append([]byte(nil), d.Bytes()...)
		case 4:
			a.ChanInfo = append([]byte(nil), d.Bytes()...)
		}
	}
	return a, d.Err()
}
