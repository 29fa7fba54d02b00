// Package sweep compares rooms with their logs.
//
// A publication that was lost on the way is noticed by the next one of its room. After the last one there is no next one. A
// loss of the connection and a full queue are noticed otherwise, but not messages that are lost between two servers of a
// cluster, and a room may have begun at an old end, because the server that named it was behind. So a node compares its rooms
// with the log from time to time. It asks only for messages that have come since the last time, and not at all if nothing has
// come.
package sweep
