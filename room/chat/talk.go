package chat

// talkMethods are the calls of what people say.
var talkMethods = map[string]method{}
