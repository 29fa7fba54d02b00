package messages

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"webim/room/chat/store"
	"webim/room/engine"
)

// A reaction is an entry of the State, which its author pays for. The events react and unreact only
// announce changes, and the history may forget them before the message. An entry lasts as long as
// the room would remember a message of the same age.
//
// The entries of a room are in the order of the messages, so the reactions to a page of messages
// are one range of keys.

// Limits of the reactions to one message.
const (
	MaxReactions = 32   // different emoji
	MaxReactors  = 1000 // reactions in all
	// maxListed limits the reactions that are read for a page of messages.
	maxListed = 20_000
)

// reaction is one reaction of one user.
type reaction struct {
	message    Ref
	emoji, who string // who is made by Owner
	at         int64  // unix nanoseconds
}

// A ReactionID names one reaction: an emoji of one author, at a message of a room.
type ReactionID struct {
	Room    string
	Message Ref
	Emoji   string
	By      string // made by Owner
}

// Key returns the key of the reaction's entry.
func (id ReactionID) Key() engine.Key {
	return engine.Key{Table: engine.TableReaction, Of: id.Room, Name: id.Message.String() + "/" + id.Emoji + "/" + id.By}
}

// ReactedBy returns the user that a reaction is from. ok is false if the author has no user.
func ReactedBy(k engine.Key) (user string, ok bool) {
	parts := strings.SplitN(k.Name, "/", 4) // see ReactionID.Key
	if len(parts) < 4 {
		return "", false
	}
	return userOf(parts[3])
}

// reactionOf is the inverse of ReactionID.Key.
func reactionOf(e engine.Entry) (r reaction, ok bool) {
	var rest string
	if r.message, rest, ok = cutRef(e.Name); !ok {
		return r, false
	}
	if r.emoji, r.who, ok = strings.Cut(strings.TrimPrefix(rest, "/"), "/"); !ok {
		return r, false
	}
	r.at, _ = strconv.ParseInt(string(e.Value), 10, 64)
	return r, true
}

// reactionsOf reads the reactions to the messages from offset first to offset last, inclusive, but
// not more than most. Some may belong to messages that are lost.
func reactionsOf(ctx context.Context, s store.Store, name string, first, last uint64, most int) (all []reaction, err error) {
	const batch = 1000
	for after := offsetName(first); ; {
		entries, err := s.List(ctx, engine.TableReaction, name, after, batch)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			r, ok := reactionOf(e)
			if !ok || r.message.Offset > last || len(all) == most {
				return all, nil
			}
			all = append(all, r)
		}
		if len(entries) < batch {
			return all, nil
		}
		after = entries[batch-1].Name
	}
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

// AddReactions adds the current reactions to the messages of a page, and returns how many it has read.
// whole says that the page has every message between its first and its last one.
func AddReactions(ctx context.Context, s store.Store, name string, page []*Message, whole bool) (read int, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	if !whole { // a range would have the reactions to messages in between
		for _, m := range page {
			n, err := AddReactions(ctx, s, name, []*Message{m}, true)
			if read += n; err != nil {
				return read, err
			}
		}
		return read, nil
	}
	all, err := reactionsOf(ctx, s, name, page[0].Offset, page[len(page)-1].Offset, maxListed)
	sumAll(all, page)
	return len(all), err
}

// sumAll adds reactions, which are in the order of the messages, to a page of messages.
func sumAll(all []reaction, page []*Message) {
	for _, m := range page {
		first, _ := slices.BinarySearchFunc(all, m.ref, func(r reaction, ref Ref) int { return r.message.compare(ref) })
		all = all[first:]
		n := 0
		for n < len(all) && all[n].message == m.ref {
			n++
		}
		if !m.Deleted {
			m.Reactions = sumOf(all[:n])
		}
		all = all[n:]
	}
}

// clearReactions removes the reactions to a deleted message, and to those that were lost at its offset.
func clearReactions(ctx context.Context, s store.Store, name string, offset uint64) error {
	all, err := reactionsOf(ctx, s, name, offset, offset, MaxReactors)
	for _, r := range all {
		if err = s.Delete(ctx, ReactionID{name, r.message, r.emoji, r.who}.Key(), engine.AnyVersion); err != nil {
			break
		}
	}
	return err
}
