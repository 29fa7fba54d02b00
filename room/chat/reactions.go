package chat

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"webim/room/engine"
	"webim/room/rpc"
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
	emoji, who string // who is made by owner
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
func reactionsOf(ctx context.Context, s store, name, epoch string, first, last uint64, most int) (all []reaction, err error) {
	const batch = 1000
	for after := reactionsBefore(epoch, first); ; {
		entries, err := s.List(ctx, engine.TableReaction, name, after, batch)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			r, ok := reactionOf(e, epoch)
			if !ok || r.offset > last || len(all) == most {
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

// addReactions adds the current reactions to the messages of a page. whole says that the page has every
// message between its first and its last one. The caller is charged for each reaction read.
func addReactions(ctx context.Context, call *rpc.Call, name, epoch string, page []*Message, whole bool) error {
	if len(page) == 0 {
		return nil
	}
	if !whole { // a range would have the reactions to messages in between
		for _, m := range page {
			if err := addReactions(ctx, call, name, epoch, []*Message{m}, true); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := reactionsOf(ctx, store{call.State()}, name, epoch, page[0].Offset, page[len(page)-1].Offset, maxListed)
	call.HasRead(len(all))
	sumAll(all, page)
	return err
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
func clearReactions(ctx context.Context, s store, name, epoch string, offset uint64) error {
	all, err := reactionsOf(ctx, s, name, epoch, offset, offset, maxReactors)
	for _, r := range all {
		if err = s.Delete(ctx, reactionKey(name, epoch, offset, r.emoji, r.who), engine.AnyVersion); err != nil {
			break
		}
	}
	return err
}
