package chat

// roomMethods are the calls of rooms, and of who belongs to them.
var roomMethods = map[string]method{}
