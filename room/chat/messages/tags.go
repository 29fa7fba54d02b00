package messages

import (
	"strconv"
	"strings"

	"webim/room/engine"
)

// Events about messages, and tags, in addition to those of package engine.
const (
	EventDelete  = "delete"
	EventReact   = "react"
	EventUnreact = "unreact"

	TagID    = "id"
	TagReply = "reply"
	TagEmoji = "emoji"
)

// NoData is the data of an event without data, and of a deleted message. It must not be changed.
var NoData = []byte("{}")

// Number formats an offset for a tag.
func Number(offset uint64) string { return strconv.FormatUint(offset, 10) }

// IsMessage reports whether a publication is a message and not an event.
func IsMessage(p engine.Publication) bool { return p.Tags[engine.TagEvent] == "" && !p.Skip }

// isAbout reports whether a publication is the given event about the message at an offset.
func isAbout(p engine.Publication, event string, offset uint64) bool {
	return p.Tags[engine.TagEvent] == event && p.Tags[engine.TagOf] == Number(offset)
}

// Owner identifies an author by user, or without a user by connection. No two authors share it.
func Owner(a engine.Author) string {
	if a.User != "" {
		return "user " + a.User
	}
	return "client " + a.Client
}

// userOf returns the user of an owner. ok is false if the owner has no user.
func userOf(owner string) (user string, ok bool) { return strings.CutPrefix(owner, "user ") }
