package chat

import (
	"context"
	"errors"
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/rivo/uniseg"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

type setRequest struct {
	inRoom
	Title  *string `json:"title"`
	Locked *bool   `json:"locked"`
	Slow   *int    `json:"slow"`
}

const (
	maxTitle = 200   // bytes
	maxChars = 100   // graphemes
	maxSlow  = 86400 // seconds
)

func checkTitle(title string) error {
	if title != "" && !name.Visible([]byte(title)) {
		return wire.Explain(wire.ErrText, "the title has no visible character: write something")
	}
	for _, r := range title {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return wire.Explain(wire.ErrText, "the title has control characters: remove them")
		}
	}
	if len(title) > maxTitle || uniseg.GraphemeClusterCount(title) > maxChars {
		return wire.Explain(wire.ErrText, fmt.Sprintf("the title is too long: %d characters and %d bytes are allowed", maxChars, maxTitle))
	}
	return nil
}

// set changes the settings of a room, and publishes them.
func (c *Chat) set(ctx context.Context, call *rpc.Call, q *setRequest) (empty, error) {
	action := policy.ActManage
	if q.Title != nil {
		action = policy.ActTitle // others read the title, so muted users may not set it
	}
	if err := may(call, action, q.Room); err != nil {
		return empty{}, err
	}
	if err := q.check(); err != nil {
		return empty{}, err
	}
	var now policy.Settings
	err := store.Change(ctx, store.New(call.State()), engine.Key{Table: engine.TableRoom, Of: q.Room}, func(s *policy.Settings, _ bool) bool {
		q.apply(s)
		s.By = "" // the settings now belong to a manager: see forget
		now = *s
		return true
	})
	if err != nil {
		return empty{}, err
	}
	call.Audit(moderation.Audit{Action: "set", Room: q.Room, Reason: fmt.Sprintf("title %q, locked %v, slow %d", now.Title, now.Locked, now.Slow)})
	data, err := json.Marshal(view{now.Title, now.Locked, now.Slow})
	if err != nil {
		return empty{}, err
	}
	_, err = call.Publish(room.SessionMessage{Room: q.Room, Data: data, Event: true, Always: true, CompactKey: eventRoom, Tags: map[string]string{engine.TagEvent: eventRoom}})
	return empty{}, err
}

func (q *setRequest) check() error {
	if q.Title == nil && q.Locked == nil && q.Slow == nil {
		return badRequest("nothing to set: give title, locked or slow")
	}
	if q.Title != nil {
		if err := checkTitle(*q.Title); err != nil {
			return err
		}
	}
	if q.Slow != nil && (*q.Slow < 0 || *q.Slow > maxSlow) {
		return badRequest("slow must be 0 to %d seconds", maxSlow)
	}
	return nil
}

func (q *setRequest) apply(s *policy.Settings) {
	if q.Title != nil {
		s.Title = *q.Title
	}
	if q.Locked != nil {
		s.Locked = *q.Locked
	}
	if q.Slow != nil {
		s.Slow = *q.Slow
	}
}

// settingsOf reads a room's settings and their version, which is 0 if it has none.
func settingsOf(ctx context.Context, s store.Store, name string) (set policy.Settings, version uint64, err error) {
	set, e, err := store.Read[policy.Settings](ctx, s, engine.Key{Table: engine.TableRoom, Of: name})
	return set, e.Version, err
}

// view has the settings of a room that every member sees.
type view struct {
	Title  string `json:"title"`
	Locked bool   `json:"locked"`
	Slow   int    `json:"slow"`
}

type infoRequest struct {
	inRoom
}

type infoResult struct {
	Room string `json:"room"`
	Kind string `json:"kind"`
	view
	May    []string `json:"may"`
	Muted  *int64   `json:"muted,omitempty"` // the end in unix seconds; 0 means without end
	Why    string   `json:"muted_why,omitempty"`
	Role   string   `json:"role,omitempty"`
	Limits limits   `json:"limits"`
}

// limits are the limits of the caller's messages in the room. 0 means no limit.
type limits struct {
	Text       int `json:"text,omitzero"`
	Characters int `json:"characters,omitzero"`
	Message    int `json:"message,omitzero"`
}

// info returns the caller's rights in a room, and the room's settings.
func (c *Chat) info(ctx context.Context, call *rpc.Call, q *infoRequest) (res infoResult, err error) {
	if err := may(call, policy.ActJoin, q.Room); err != nil {
		return res, explainBan(ctx, call, q.Room, err)
	}
	res = infoResult{Room: q.Room, Kind: kindOf(q.Room), May: []string{}, Limits: limits(call.Bounds(q.Room))}
	for _, name := range policy.Actions() {
		if a, _ := policy.ParseAction(name); hasRight(call, a, q.Room) {
			res.May = append(res.May, name)
		}
	}
	r, listed, err := rosterOf(ctx, serverStore(call.Hub), q.Room, call.Author().User)
	if err != nil {
		return res, err
	}
	if kindOf(q.Room) == kindPrivate && !listed && !call.IsIn(q.Room) {
		return res, wire.ErrPermissionDenied // in a private room the roster decides about joining
	}
	res.Role = r.Role
	set, _, err := settingsOf(ctx, serverStore(call.Hub), q.Room)
	if err != nil {
		return res, err
	}
	res.view = view{set.Title, set.Locked, set.Slow}
	if v := call.JudgeAs(policy.ActSpeak, q.Room, policy.Membership{In: true}); errors.Is(v.Err, wire.ErrMuted) {
		res.Muted = new(int64)
		if !v.Until.IsZero() {
			*res.Muted = v.Until.Unix()
		}
		if s, there := sanctionOf(ctx, call, engine.TableMute, q.Room); there {
			res.Why = sentence("muted", s)
		}
	}
	return res, nil
}

// hasRight reports whether the caller has the right to an action, apart from a mute or a lock. If the
// backend decides, the caller may have it.
func hasRight(call *rpc.Call, a policy.Action, name string) bool {
	v := call.Judge(a, name)
	return v.Outcome != policy.Deny || errors.Is(v.Err, wire.ErrMuted) || errors.Is(v.Err, wire.ErrLocked)
}
