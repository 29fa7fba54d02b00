package chat

// moderationMethods are the calls of moderators.
var moderationMethods = map[string]method{}
