// Package told remembers the members on other nodes of which the rooms of this node were told. When their node dies, it
// cannot tell that they leave, so this node tells it to its own rooms.
//
//	told.go     Members: rooms, nodes, and notices that arrive
//	compare.go  lists of members: those that were shown, and those that a comparison has asked for
//
// # A node dies, or seems to
//
//	present ──node is gone──► absent ──it is heard again, and lists the member──► present
//
// A member is present since its join was told, or since a list with it was shown. When its node is gone, its leave is
// told, once, and it is absent. The node may only have lost its connection: then it comes back within Config.Keep, this
// node asks for the members of its rooms, and the joins of those that are still there are told again. A room is
// never told the same twice.
//
// While this node itself has no connection, nobody becomes absent. Afterwards the rooms are compared, too, because
// notices are not stored: the joins and leaves that were missed are told then.
//
// # Limits
//
// Only rooms with members on this node are remembered, and in them only members that were told or shown. All of them
// together take Config.MaxBytes at most: above it, the room that takes most is left out as long as it has members here.
// Then its members are not told of the leaves of members on a dead node; lists and counts are right nevertheless.
//
// # Lock order
//
// Under Members.mu, Config.Go is called, which takes the lock of package jobs. Nothing else is.
package told
