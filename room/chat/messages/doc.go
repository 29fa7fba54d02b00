// Package messages makes the messages of a room, as users see them, from the publications in its log and from
// what the State has of them.
//
// # Publications
//
// Messages and events are publications in the one stream of a room. They have offsets, and
// recovery delivers them again. The server vouches for the tags of a publication and for its
// author, in info.user: no client can set them. data is the text of the author, and the server
// believes nothing in it.
//
//	tags                                  data        meaning
//	none, or "id", "reply"                any         a message; id is the sender's, reply the offset of the message that it answers
//	event=edit, of=OFFSET                 any         data replaces the data of the message at OFFSET
//	event=delete, of=OFFSET               {}          the message is deleted
//	event=react, of=OFFSET, emoji=E       {}          the author reacts to the message with E
//	event=unreact, of=OFFSET, emoji=E     {}          the author removes the reaction
//
// The plain dialect shows messages only, because it would show an edit as another message.
//
// If a message is deleted, its text and the texts of its edits are removed from the history.
// Their publications stay at their offsets, with the data {} and the tag redacted=true. A
// client makes messages from publications (history, recovery) as the call messages does: see
// [Fold]. A reaction exists from its react event to its unreact event.
//
// # Epochs
//
// A room begins a new epoch if its store may have lost the last publications: after a power cut, or when a backup
// was restored. Other publications may get their offsets. All messages before are still there, with their edits,
// reactions and marks: their entries belong to a [Ref], not to an epoch, and not to an offset alone. A user's marks go
// back to the last publication that is left.
//
// # Files
//
//	tags.go       the tags and events
//	fold.go       Message, and Fold, which makes messages from publications: pure functions
//	walk.go       Walk reads a room's log piece by piece
//	page.go       Page is some messages of a room, read by a Walk and then completed from the State
//	revision.go   the entries of the State that say which edits a message has
//	revise.go     reading them: brings the messages of a page up to date
//	change.go     writing them: how an edit and a deletion begin and end
//	reactions.go  the entries of the State that are the reactions, and their sums for a page
//	react.go      writing them
//	ref.go        Ref names a message for good, in the names of entries
//	find.go       Found is one message that a call is about
//	imported.go   writes down what an imported event says of a message
//
// # Vocabulary
//
//	owner      of a message or a reaction: its author, by user or connection
//	revision   says which edits a message has, and whether it is being deleted
//	redact     remove the data of a publication from the log
//	found      a message that a call is about, with its revision
//
// Package messages has no mutex, and so no lock order.
package messages
