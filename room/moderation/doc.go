// Package moderation keeps bans and mutes: it stores, lifts and lists them, tells each node which of
// them hold, removes banned users from rosters, and writes the audit log.
//
// # Rules
//
//   - A sanction is an entry of the engine's State. Every node watches these tables and has a copy
//     of them in memory (Cache), so that no message waits for the State. The engine brings their changes to all
//     nodes at once: see engine.Key.IsUrgent.
//   - Package policy decides whether a sanction binds a subject. Package moderation only tells
//     policy which sanctions there are: see Cache.Standing.
//   - A ban ends what it forbids on every node: Enforcer.EnforceBan closes the connections, or removes
//     them from the room. A connection that is joining at that moment is first registered and then
//     checked, so that either the ban finds the connection, or the check finds the ban.
//   - A banned user is removed from the roster of a room in one place: Moderator.RemoveFromRoster.
//   - A sanction of an admin or a backend (Sanction.Over) binds admins, too, and moderators can
//     neither lift nor replace it. The version of the entry ensures this when both act at once.
//   - Every change leaves a line in the audit log. Owners of private rooms have a limited share of
//     the log, because anybody may make a private room.
//
// Package moderation does not know rooms, connections or dialects.
//
// # Vocabulary
//
//	sanction   a ban of a user, a ban of a network, or a mute, in one room or on the whole server
//	impose     store a sanction; it replaces the one with the same target
//	lift       remove a sanction
//	kick       remove a user's connections from a room; they may join again
//	enforce    end the connections and memberships that a ban forbids
//	reach      which subjects a sanction binds, see policy.Reach
//	standing   the sanctions and settings that apply to a subject in a room
//	audit      a line of the audit log
//
// # Lock order
//
// Cache.mu and auditShares.mu are innermost: nothing is locked under them. The engine calls the
// watchers of the Cache with its own locks held.
package moderation
