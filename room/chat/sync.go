package chat

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// position is a place in a room's log, as clients name it.
type position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

type syncRequest struct {
	Since map[string]position `json:"since"` // by room: how far the client knows it
	After string              `json:"after"`
	Limit *int                `json:"limit"`
}

// normalise rewrites the names of rooms to their normal form.
func (q *syncRequest) normalise() error {
	if len(q.Since) > maxSince {
		return badRequest("since must have at most %d rooms", maxSince)
	}
	all := make(map[string]position, len(q.Since))
	for given, at := range q.Since {
		name, err := wire.RoomName(given)
		if err != nil {
			return badRequest("%v", err)
		}
		all[name] = at
	}
	q.Since = all
	return nil
}

type syncResult struct {
	Rooms []*synced `json:"rooms"`
	Left  []string  `json:"left"`           // rooms of Since that are not in the caller's list
	More  bool      `json:"more"`           // there are more rooms, or more publications in the last one
	Next  string    `json:"next,omitempty"` // if there are: the value of After for the next call
	Now   int64     `json:"now"`            // the server's clock, in unix milliseconds
}

// synced is a room of the caller, with everything after the position that the client has named.
type synced struct {
	listed
	Delivered uint64 `json:"delivered"`
	position         // up to which the result goes; the client names it the next time

	// Reset means that the room's history does not go on from the client's position: there is another
	// epoch, or the room has forgotten some publications. What the client has of the room is to be
	// dropped.
	Reset        bool                `json:"reset,omitzero"`
	Publications []syncPublication   `json:"publications,omitempty"` // after the client's position
	Messages     []*messages.Message `json:"messages,omitempty"`     // without a position, or with Reset: the newest ones
	Older        bool                `json:"older,omitzero"`         // there may be older messages than these
	full         bool                // there are more publications
}

// syncPublication is a publication as in the Centrifuge protocol.
type syncPublication struct {
	Offset uint64            `json:"offset"`
	Data   jsontext.Value    `json:"data"`
	Info   *messages.Info    `json:"info,omitempty"`
	Tags   map[string]string `json:"tags,omitempty"`
	Time   int64             `json:"time"` // unix milliseconds
}

// Limits of the call sync.
const (
	maxSince    = maxMine + 1 // rooms that a request names: a full list, and the personal room
	maxSynced   = 200         // rooms in a result
	kindPerson  = "personal"
	syncEntries = 1 // State entries that a room costs that the client names and that is not in the list
)

// sync returns the caller's list of rooms, with everything that the client has missed in them. The rooms
// are in the order of their names. The caller is charged as for rooms and for reading histories; the
// result ends, with more, when the call has read, or the reply would carry, as much as a reply may.
func (c *Chat) sync(ctx context.Context, call *rpc.Call, q *syncRequest) (res syncResult, err error) {
	user, err := named(call)
	if err != nil {
		return res, err
	}
	limit, err := pageLimit(q.Limit, defaultMessages, maxMessages)
	if err != nil {
		return res, err
	}
	rooms, more, err := roomsToSync(ctx, call, user, q)
	if err != nil {
		return res, err
	}
	res = syncResult{Rooms: []*synced{}, Left: []string{}, More: more, Next: q.After, Now: time.Now().UnixMilli()}
	left := call.MaxReply()
	for _, r := range rooms {
		if len(res.Rooms) > 0 && (left <= 0 || call.Spent()) {
			res.More = true
			break
		}
		one, err := syncRoom(ctx, call, user, r, q, limit, max(1, left))
		if err != nil {
			return res, err
		}
		if one == nil {
			if _, known := q.Since[r.Name]; known {
				res.Left = append(res.Left, r.Name)
			}
		} else {
			res.Rooms = append(res.Rooms, one)
			left -= one.sizeOfAll()
		}
		if one != nil && one.full {
			res.More = true // the next call goes on in this room
			break
		}
		res.Next = r.Name
	}
	if !res.More {
		res.Next = ""
	}
	return res, nil
}

// roomsToSync returns the rooms after a name, in order: those of the caller's list, those that the client
// names, for which the entry has no version, and the caller's personal room.
func roomsToSync(ctx context.Context, call *rpc.Call, user string, q *syncRequest) (rooms []engine.Entry, more bool, err error) {
	all, err := serverStore(call.Hub).List(ctx, engine.TableMine, user, q.After, maxSynced+1)
	if err != nil {
		return nil, false, err
	}
	by := map[string]engine.Entry{}
	for name := range q.Since {
		by[name] = engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: user, Name: name}}
	}
	own := policy.PersonalRoom(user)
	for _, e := range append(all, engine.Entry{Key: engine.Key{Name: own}}) {
		by[e.Name] = e
	}
	end := ""
	if len(all) > maxSynced {
		end = all[maxSynced-1].Name
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if name > q.After && (end == "" || name <= end) {
			rooms = append(rooms, by[name])
		}
	}
	return rooms, end != "", nil
}

// syncRoom reads a room. The result is nil if it is not in the caller's list, or the caller is banned
// there.
func syncRoom(ctx context.Context, call *rpc.Call, user string, entry engine.Entry, q *syncRequest, limit, most int) (*synced, error) {
	one := &synced{listed: listed{Room: entry.Name, Kind: kindPerson}}
	mayRead := call.Judge(policy.ActHistory, entry.Name).Outcome != policy.Deny
	switch {
	case entry.Name == policy.PersonalRoom(user) && !mayRead:
		return nil, nil
	case entry.Name == policy.PersonalRoom(user):
	case entry.Version == 0:
		call.HasRead(syncEntries)
		return nil, nil
	default:
		call.HasRead(roomEntries)
		l, r, err := listRoom(ctx, call, user, entry)
		if l == nil || err != nil {
			return nil, err
		}
		one.listed = *l
		mayRead = l.mayRead(call, r)
	}
	if !mayRead {
		return one, nil
	}
	since, known := q.Since[entry.Name]
	err := one.read(ctx, call, since, known, limit, most)
	if err == wire.ErrNotAvailable {
		return one, nil // the room has no history
	}
	if err == nil && one.Kind != kindPerson {
		var m mark
		m, err = markIn(ctx, call.Hub, one.Room, user, one.Epoch)
		one.Delivered = m.Delivered
	}
	return one, err
}

// read reads the publications after a position, or the newest messages.
func (o *synced) read(ctx context.Context, call *rpc.Call, since position, known bool, limit, most int) error {
	if known {
		got, err := call.History(o.Room, room.HistoryQuery{Since: &engine.Position{Offset: since.Offset}, Limit: messages.MaxPiece, Bytes: most, Places: true})
		if err != nil {
			return err
		}
		if o.add(got, since) {
			return nil
		}
		o.Reset, o.Publications = true, nil
	}
	p, err := messages.ReadPage(call, o.Room, nil, nil, limit, most)
	if err == nil {
		err = p.Complete(ctx, call, o.Room, most)
	}
	if err != nil {
		return err
	}
	o.position = position{p.Top.Epoch, p.Top.Offset}
	o.Messages, o.Older = p.Messages, p.More
	return nil
}

// add adds the publications after a position. It returns false unless these are provably all, as far as
// they go.
func (o *synced) add(got engine.History, since position) bool {
	top := got.Top
	if since.Offset > top.Offset || since.Epoch != top.Epoch && since != (position{}) {
		return false
	}
	last := since.Offset
	for _, p := range got.Publications {
		if p.Prev > last || p.Prev == 0 && since.Offset != 0 {
			return false // the room has forgotten a publication in between
		}
		last = p.Offset
		if data, ok := room.JSON(&p); ok && !p.Skip {
			o.Publications = append(o.Publications, syncPublication{p.Offset, messages.Repaired(data), messages.InfoOf(p.From), p.Tags, p.Time.UnixMilli()})
		}
	}
	o.position = position{top.Epoch, last}
	o.full = last != top.Offset
	return !o.full || len(got.Publications) > 0
}

// sizeOfAll returns the bytes of the room in the reply, without names of fields.
func (o *synced) sizeOfAll() int {
	n := o.size()
	for _, m := range o.Messages {
		n += m.Size()
	}
	for _, p := range o.Publications {
		n += engine.PartCost + len(p.Data)
		if p.Info != nil {
			n += len(p.Info.ConnInfo) + len(p.Info.ChanInfo)
		}
	}
	return n
}
