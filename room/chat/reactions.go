package chat

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// A reaction is an entry of the State, which its author pays for. The events react and unreact only
// announce changes, and the history may forget them before the message. An entry lasts as long as
// the room would remember a message of the same age.
//
// The entries of a room are in the order of the messages, so the reactions to a page of messages
// are one range of keys.

// Limits of the reactions to one message.
const (
	maxReactions = 32   // different emoji
	maxReactors  = 1000 // reactions in all
	// maxListed limits the reactions that are read for a page of messages.
	maxListed = 20_000
)

// reaction is one reaction of one user.
type reaction struct {
	offset     uint64
	emoji, who string // who: see owner
	at         int64  // unix nanoseconds
}

// reactionsBefore returns a key that sorts after all reactions to earlier messages and before all
// reactions to the message.
func reactionsBefore(epoch string, offset uint64) string {
	return fmt.Sprintf("%s/%016x/", epoch, offset)
}

func reactionKey(name, epoch string, offset uint64, emoji, who string) engine.Key {
	return engine.Key{Table: engine.TableReaction, Of: name, Name: reactionsBefore(epoch, offset) + emoji + "/" + who}
}

// reactionOf is the inverse of reactionKey. ok is false if the entry belongs to another epoch.
func reactionOf(e engine.Entry, epoch string) (r reaction, ok bool) {
	rest, ok := strings.CutPrefix(e.Name, epoch+"/")
	if !ok {
		return r, false
	}
	offset, rest, _ := strings.Cut(rest, "/")
	var err error
	if r.offset, err = strconv.ParseUint(offset, 16, 64); err != nil {
		return r, false
	}
	if r.emoji, r.who, ok = strings.Cut(rest, "/"); !ok {
		return r, false
	}
	r.at, _ = strconv.ParseInt(string(e.Value), 10, 64)
	return r, true
}

// reactionsOf reads the reactions to the messages from offset first to offset last, inclusive, but
// not more than most.
func reactionsOf(s engine.State, name, epoch string, first, last uint64, most int, done func([]reaction, error)) {
	var all []reaction
	var more func(after string)
	more = func(after string) {
		const batch = 1000
		s.List(engine.TableReaction, name, after, batch, func(entries []engine.Entry, err error) {
			for _, e := range entries {
				r, ok := reactionOf(e, epoch)
				if !ok || r.offset > last || len(all) == most {
					done(all, nil)
					return
				}
				all = append(all, r)
			}
			if err != nil || len(entries) < batch {
				done(all, room.StateError(err))
				return
			}
			more(entries[batch-1].Name)
		})
	}
	more(reactionsBefore(epoch, first))
}

// sumOf groups the reactions to one message by emoji, in the order of the first reaction with each.
func sumOf(all []reaction) (sums []Reaction) {
	slices.SortStableFunc(all, func(a, b reaction) int { return cmp.Compare(a.at, b.at) })
	at := map[string]int{}
	for _, r := range all {
		i, known := at[r.emoji]
		if !known {
			i = len(sums)
			at[r.emoji] = i
			sums = append(sums, Reaction{Emoji: r.emoji, Users: []string{}})
		}
		sums[i].Count++
		if user, ok := userOf(r.who); ok {
			sums[i].Users = append(sums[i].Users, user)
		}
	}
	for i := range sums {
		slices.Sort(sums[i].Users)
		sums[i].Users = sums[i].Users[:min(len(sums[i].Users), maxNamed)]
	}
	return sums
}

// withReactions adds the current reactions to the messages of a page. The caller is charged for
// each reaction read.
func withReactions(call *room.Call, name, epoch string, page []*Message, done func(error)) {
	if len(page) == 0 {
		done(nil)
		return
	}
	reactionsOf(call.State(), name, epoch, page[0].Offset, page[len(page)-1].Offset, maxListed, func(all []reaction, err error) {
		call.HasRead(len(all))
		sumAll(all, page)
		done(err)
	})
}

// sumAll adds reactions, which are in the order of the messages, to a page of messages.
func sumAll(all []reaction, page []*Message) {
	for _, m := range page {
		first, _ := slices.BinarySearchFunc(all, m.Offset, func(r reaction, offset uint64) int { return cmp.Compare(r.offset, offset) })
		all = all[first:]
		n := 0
		for n < len(all) && all[n].offset == m.Offset {
			n++
		}
		if !m.Deleted {
			m.Reactions = sumOf(all[:n])
		}
		all = all[n:]
	}
}

// clearReactions removes the reactions to a deleted message.
func clearReactions(s engine.State, name, epoch string, offset uint64, done func(error)) {
	reactionsOf(s, name, epoch, offset, offset, maxReactors, func(all []reaction, err error) {
		if err != nil {
			done(err)
			return
		}
		each(all, func(r reaction, done func(error)) {
			s.Delete(reactionKey(name, epoch, offset, r.emoji, r.who), engine.AnyVersion, done)
		}, func(err error) { done(room.StateError(err)) })
	})
}

type reactRequest struct {
	inRoom
	Offset uint64 `json:"offset"`
	Emoji  string `json:"emoji"`
	Remove bool   `json:"remove"`
}

// react adds or removes a reaction of the caller.
func (c *Chat) react(call *room.Call, q *reactRequest) {
	err := may(call, room.ActReact, q.Room)
	emoji, ok := emojiOf(q.Emoji)
	if err == nil && !ok {
		err = wire.Explain(wire.ErrBadRequest, "bad request: emoji must be exactly one emoji")
	}
	q.Emoji = emoji
	if err != nil {
		call.Done(nil, err)
		return
	}
	standing(call.Hub, q.Room, q.Offset, func(epoch string, err error) {
		switch {
		case err != nil:
			call.Done(nil, err)
		case q.Remove:
			c.unreact(call, q, epoch)
		default:
			c.addReaction(call, q, epoch)
		}
	})
}

// addReaction stores a reaction, unless the message has too many.
func (c *Chat) addReaction(call *room.Call, q *reactRequest, epoch string) {
	s := call.State()
	forgetReactions(call, q.Room)
	mayReact(s, q, epoch, func(err error) {
		if err != nil {
			call.Done(nil, err)
			return
		}
		k, now := c.keyOf(call, q, epoch), time.Now()
		entry := engine.Entry{Key: k, Value: strconv.AppendInt(nil, now.UnixNano(), 10)}
		if age := call.Retention(q.Room).Age; age > 0 {
			entry.Expires = now.Add(age)
		}
		s.Put(entry, func(_ uint64, err error) {
			if err == engine.ErrVersion {
				answer(call, empty{}, nil) // the caller has reacted with it before
				return
			}
			if err != nil {
				call.Done(nil, room.StateError(err))
				return
			}
			c.reacted(call, q, eventReact, func(err error) {
				if err != nil {
					s.Delete(k, engine.AnyVersion, func(error) { call.Done(nil, err) })
					return
				}
				answer(call, empty{}, nil)
			})
		})
	})
}

// mayReact fails if the message has too many reactions, in all or of different emoji. It counts the
// entries and reads at most one for each emoji, so it stays cheap: every user that may send may
// call it as often as it may send messages.
func mayReact(s engine.State, q *reactRequest, epoch string, done func(error)) {
	first, end := reactionsBefore(epoch, q.Offset), reactionsBefore(epoch, q.Offset+1)
	different := 1 // including the new one
	var next func(after string)
	next = func(after string) {
		if different > maxReactions {
			done(errTooManyReactions)
			return
		}
		s.List(engine.TableReaction, q.Room, after, 1, func(one []engine.Entry, err error) {
			if err != nil || len(one) == 0 || one[0].Name >= end {
				done(room.StateError(err))
				return
			}
			r, ok := reactionOf(one[0], epoch)
			if !ok || r.emoji == q.Emoji { // the emoji is there already, so it is not a new one
				done(nil)
				return
			}
			different++
			next(first + r.emoji + "0") // sorts after all keys with the emoji and "/"
		})
	}
	s.CountEntries(engine.TableReaction, q.Room, first, end, func(n int, err error) {
		switch {
		case err != nil:
			done(room.StateError(err))
		case n >= maxReactors:
			done(errTooManyReactions)
		default:
			next(first)
		}
	})
}

var errTooManyReactions = wire.Explain(wire.ErrLimitExceeded, fmt.Sprintf("limit exceeded: a message has at most %d different reactions, and %d in all", maxReactions, maxReactors))

// unreact removes a reaction.
func (c *Chat) unreact(call *room.Call, q *reactRequest, epoch string) {
	s, k := call.State(), c.keyOf(call, q, epoch)
	s.Get(k, func(e engine.Entry, err error) {
		if err != nil || e.Version == 0 {
			answer(call, empty{}, room.StateError(err))
			return
		}
		s.Delete(k, e.Version, func(err error) {
			if err != nil { // another call has removed it
				answer(call, empty{}, nil)
				return
			}
			c.reacted(call, q, eventUnreact, func(err error) { answer(call, empty{}, err) })
		})
	})
}

func (c *Chat) keyOf(call *room.Call, q *reactRequest, epoch string) engine.Key {
	return reactionKey(q.Room, epoch, q.Offset, q.Emoji, owner(call.Author()))
}

// reacted publishes the event of a reaction.
func (c *Chat) reacted(call *room.Call, q *reactRequest, event string, done func(error)) {
	call.Publish(room.Saying{Room: q.Room, Data: noData, Event: true,
		CompactKey: "react " + number(q.Offset) + " " + q.Emoji + " " + owner(call.Author()),
		Tags:       map[string]string{engine.TagEvent: event, engine.TagOf: number(q.Offset), tagEmoji: q.Emoji},
	}, func(_ engine.Position, err error) { done(err) })
}

// forgetReactions removes some reactions to messages that the room has forgotten. It is called for
// each new reaction and may remove ten, so old reactions cannot pile up.
func forgetReactions(call *room.Call, name string) {
	s := call.State()
	s.List(engine.TableReaction, name, "", 10, func(entries []engine.Entry, err error) {
		if err != nil || len(entries) == 0 {
			return
		}
		call.Hub.Engine().History(name, engine.Span{Limit: 1}, func(got engine.History, err error) {
			if err != nil || len(got.Publications) == 0 {
				return
			}
			for _, e := range entries {
				if r, ok := reactionOf(e, got.Top.Epoch); !ok || r.offset < got.Publications[0].Offset {
					s.Delete(e.Key, e.Version, func(error) {})
				}
			}
		})
	})
}
