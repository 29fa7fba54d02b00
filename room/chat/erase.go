package chat

import (
	"context"
	"sync"

	"github.com/go-json-experiment/json"

	"webim/room/await"
	"webim/room/chat/messages"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Erase erases a user: everything that the user has said (see engine.Eraser), and what the State has of
// the user. Bans, mutes and revoked tokens stay, because an erased user is not a pardoned one, and so do the
// titles of rooms. Erase needs no hub, so a command can erase a user while no server runs. If an engine cannot
// erase, the error is wire.ErrNotAvailable. After an error, call Erase again.
func Erase(ctx context.Context, e engine.Engine, user string) error {
	eraser, can := e.(engine.Eraser)
	if !can {
		return wire.ErrNotAvailable
	}
	if err := await.Error(ctx, func(done func(error)) { eraser.Erase(user, done) }); err != nil {
		return err
	}
	return RemoveTraces(ctx, e, user)
}

// RemoveTraces is the part of Erase that removes what the State has of a user.
func RemoveTraces(ctx context.Context, e engine.Engine, user string) error {
	s := store.New(e)
	memberships, rest := traces(e, user)
	for _, m := range memberships {
		if err := s.Delete(ctx, m.Key, engine.AnyVersion); err != nil {
			return err
		}
		var was policy.Roster
		_ = json.Unmarshal(m.Value, &was) // a damaged entry has no role
		if _, err := succeed(ctx, s, m.Of, was); err != nil {
			return err
		}
	}
	for _, k := range rest {
		if err := removeTrace(ctx, s, k, user); err != nil {
			return err
		}
	}
	return nil
}

// traces finds what the State has of a user: the entries of rosters, and the keys of the rest.
func traces(e engine.Engine, user string) (memberships []engine.Entry, rest []engine.Key) {
	var mu sync.Mutex // innermost: a call of the watcher may still arrive after the end
	find := func(table string, is func(engine.Key) bool, found func(engine.Entry)) {
		ended := false
		stop := e.Watch(table, func(_, now engine.Entry) {
			mu.Lock()
			defer mu.Unlock()
			if now.Value != nil && !ended && is(now.Key) {
				found(now)
			}
		})
		stop() // all entries have come; changes do not matter
		mu.Lock()
		defer mu.Unlock()
		ended = true
	}
	add := func(e engine.Entry) { rest = append(rest, e.Key) }
	find(engine.TableMember, func(k engine.Key) bool { return k.Name == user }, func(e engine.Entry) { memberships = append(memberships, e) })
	find(engine.TableMine, func(k engine.Key) bool { return k.Of == user || isDirectWith(k.Name, k.Of, user) }, add)
	find(engine.TableMark, func(k engine.Key) bool { return k.Of == user }, add)
	find(engine.TableDecline, func(k engine.Key) bool { return k.Of == user }, add)
	find(engine.TableReaction, func(k engine.Key) bool {
		by, named := messages.ReactedBy(k)
		return named && by == user
	}, add)
	return memberships, rest
}

// isDirectWith reports whether a room is the direct room of two users.
func isDirectWith(name, user, other string) bool {
	return kindOf(name) == kindDirect && otherIn(name, user) == other
}

// removeTrace removes an entry, or in the list of another user only the name of the erased one.
func removeTrace(ctx context.Context, s store.Store, k engine.Key, user string) error {
	if k.Table == engine.TableMine && k.Of != user {
		return store.Change(ctx, s, k, func(m *mine, there bool) bool {
			had := m.Name != ""
			m.Name = ""
			return there && had
		})
	}
	return s.Delete(ctx, k, engine.AnyVersion)
}
