// Package chat has the chat features beyond publishing. Clients use them by calls, which are RPCs of the
// centrifuge dialect that any client library can make. The server answers with events, which are publications that
// every client in the room gets. This text is the reference of both. Its examples run as tests (doc_test.go).
// The file methods.go lists the calls; under it, each file has about a call, event.go the events about rooms, and
// chat.go the parts that all share. Messages, the State and the rates of invitations are packages below.
//
// # Events
//
// Messages and events are publications in the one stream of a room. Messages, and the events edit,
// delete, react and unreact about them, are described in package messages. The others are
//
//	tags                                  data        meaning
//	event=mark, read=OFFSET, delivered=…  {}          the author has received and read everything up to these offsets
//	event=typing                          {}          the author is typing; this event has no offset and is not in the history
//	event=join, user=U                    {}          U is now on the room's roster; event=leave: U no longer is
//	event=kick|ban|unban|mute|unmute, user=U, until=UNIX  {}  the author, a moderator, did this to U
//	event=erase, user=U                   {}          U was erased: all that U has said before is gone
//	event=room                            {"title":…,"locked":…,"slow":…}  the new settings of the room
//
// Events other than edits never push messages out of the history, because they have a quota of their own. Some
// events tell a current state: the roster, a user's marks, a reaction. Of these the room remembers only the last
// one. If a client missed an event that the room has forgotten, the client cannot recover; it calls messages,
// which also returns the current reactions, and marks. The room gets an event for joining, leaving, marking or
// reacting only if the user may send messages there: not if the user is muted, the room is locked, or the rights
// let nobody send.
//
// If a user is erased (Erase), all messages of the user become deleted ones, in all rooms. A room whose
// recent publications had something of the user gets the event erase.
//
// # Rooms
//
// If the name of a room begins with neither # nor $, the room is public, and the rights decide about joining it.
// #USER is the personal room of a user. The server subscribes all connections of the user to it and publishes
// there the events for that user. #A,B is the direct room of two users, in the order of their names; %, comma and
// # in a name are written %25, %2C and %23. $… is a private room for the users on its roster.
// A public room also has a roster, of the users that keep the room in their list, but it
// excludes nobody. Guests can have a public room in their list, without being on its roster.
// Names of public rooms have a normal form (package name), which the server uses. Client libraries look
// up a subscription by the name that they sent, so a subscription with another spelling fails with
// error 107, which tells the right name. Everything else that names a room takes any spelling.
//
// In a user's personal room the server publishes these events, without an author:
//
//	event=invite, room=R, by=U         {"title":…}   U has put the user on the roster of R
//	event=message, room=R, offset=N, by=U   {}       U published a message in R, which is in the user's list or direct
//	event=mark, room=R, read=N         {}            the user has read R up to N, on another device
//	event=rooms, room=R                {}            the user's list of rooms has changed otherwise: call rooms again
//
// The events about the messages of one author come in the order of the messages. Those of different
// authors may not: compare the offsets.
//
// # Calls
//
// The data of a call and of its result are JSON objects. A field that is unknown or has the
// wrong type is error 107, and the error names the field. The rights decide about each call as
// they do about the command that it resembles. If the application's backend has the hook
// publish, the server also asks it about send and edit, but not again about a repeated send
// that the backend accepted before.
//
//	send         {room, data, id?, reply?}         {offset, epoch}
//	             id: 1 to 64 bytes. If the same user repeats the id with the same data within 5 minutes, the
//	             result has the offset of the first message, and nothing is published. This holds even if the
//	             user has since been muted or banned, or the room locked, so a client that lost the result
//	             gets it. With different data the call fails with error 113.
//	             Engines with a store keep ids for a minute. Without an id nothing recognizes a message that is
//	             sent again: after the error "the message may have been published", or a lost connection, the
//	             room may get it twice.
//	edit         {room, offset, data}              {offset} of the event
//	             A user pays for a small entry of each message that it has edited. The history keeps the texts of
//	             the newest 64 edits of a message.
//	delete       {room, offset}                    {}    also works if the room has forgotten the message, but not an edit of it
//	react        {room, offset, emoji, remove?}    {}
//	typing       {room}                            {}    the room gets at most one event a second, of up to 8 users; rooms with over 200 members get none
//	mark         {room, read?, delivered?}         {read, delivered}
//	             Marks only grow, not beyond the newest offset; in a new epoch they may go back: see package messages.
//	             A user has at most 2000. If the roster has at most 100 users, others see the marks, as events.
//	marks        {room}                            {marks: [{user, read, delivered}]}, of the roster, and in public rooms of the guests that are present
//	messages     {room, limit?, before?, after?, offsets?}   {messages: [message], offset, epoch, more, next?, now}
//	             The newest messages, or those before an offset, or those after one; the oldest first. limit: 50
//	             by default, at most 200. If more is true, there may be further ones: ask for those before, or with
//	             after for those after, the offset next. Long messages make a page shorter. Thousands of events
//	             between messages do so too; then the page may be empty. With offsets: [offset], at most 200, only
//	             these, if they still exist; if more is true, the last ones are missing.
//	             message: {offset, data, info?, time, id?, reply?, edited?, deleted?, reactions?: [{emoji, users, count}]}
//	             time, edited and now (the server's clock) are unix milliseconds; users has at most 20 of the count.
//
//	rooms        {after?, limit?}                  {rooms: [{room, kind, title, unread, read, last?: message, role?, with?: {user, info?, online?}}], more}
//	             kind: public, private or direct. limit: 50 by default, at most 100. A page has fewer rooms if the
//	             last messages are long or much is unread; while more is true, ask for the rooms after the last one.
//	             unread is at most 1000, and counts back over at most 5000 publications. last has no reactions.
//	             with is the other user of a direct room. with has info and online, or the name that the user's token
//	             had when the room came into both lists, only if the other user has the room in its list and declines
//	             neither it nor the caller.
//	sync         {since?: {ROOM: {epoch, offset}}, after?, limit?}   {rooms: […], left: [ROOM], more, next?, now}
//	             Everything that the caller has missed in the rooms of its list and in its personal room: for a new
//	             device, or after a long time. since says how far the client knows each room. Each room has the
//	             fields as in the result of rooms, delivered, and epoch and offset, which the client names the next
//	             time. A room that the client names has publications: [{offset, data, info?, tags?, time}], the oldest
//	             first: messages and events after that position. If they do not go on from there, because the room
//	             has forgotten some or begun a new epoch, reset is true, and the client drops what it has of the room.
//	             Then, and if the client has not named the room, it gets the newest messages, as by the call messages:
//	             at most limit (50 by default, at most 200), and older is true if there are others before them. The
//	             personal room, kind personal, has only the fields room, kind, epoch, offset and publications. left
//	             has the rooms of since that are not in the caller's list. While more is true, call again with after
//	             set to next and the new positions: for the other rooms, or for the rest of the last one. A room of
//	             which the caller may not read the history has no epoch, and no publications.
//	room.create  {title, room?, users?}            {room}
//	             Without room: a private room ($…), owned by the caller, to which users are invited.
//	             With room: a public room of that name, if the caller may send there; error 113 if it has a title already.
//	room.direct  {user}                            {room}
//	room.join    {room}                            {}    puts the room into the caller's list; a private room needs an invitation
//	room.leave   {room, forever?}                  {}    removes the room and the caller's marks in it. A room that everybody has left
//	             is forgotten: a private one with its bans and mutes, a public one with its title unless a manager
//	             has set it. If the owner leaves, the user that has been on the roster longest becomes the owner.
//	             With forever, the caller gets no more invitations to the room.
//	room.invite  {room, user}                      {}    puts the user on a private room's roster, and sends the user an event.
//	             The result is the same if the user is banned there, has declined, or does not exist. One user may
//	             invite another one 5 times in 10 minutes, and make 200 invitations in all; error 111 beyond. The
//	             users of room.create count too.
//	room.decline {room} or {user}, undo?           {}    from now on the caller gets no invitation to the room, or by the user;
//	             undo ends this. Inviting users are not told. A user may decline 1000 rooms and users.
//	room.set     {room, title?, locked?, slow?}    {}    slow: seconds between two messages of a user; needs the right manage
//	room.info    {room}                            {room, kind, title, locked, slow, may: [action], muted?: until, muted_why?, role?,
//	             limits: {text?, characters?, message?}}
//	             limits: of the caller's messages there; a limit that does not exist is absent. text: bytes of
//	             data.text as UTF-8; characters: its graphemes; message: bytes of data as JSON and of the names and
//	             values of its tags (id and reply; of an edit event and of) together.
//	             443 for a banned user. The error's text, and muted_why, are "banned until
//	             2026-01-02T15:04:05Z: REASON", without the end or the reason if there is none.
//	members      {room, after?, limit?}            {members: [{user, info?, online?, role?}], more, here?}
//	             The members in the order of their names; all users without a name come first, as one. limit: 1000.
//	             here: how many users are present. here and online are absent if the presence is unknown. For an
//	             absent member of a private room, info has the name that the user's token had when the user joined.
//
//	kick         {room?, user}                     {}    with room: takes the user out of it (plain dialect: closes the connection); without: closes
//	             all connections of the user, which then do not reconnect (3503). It is not a ban.
//	ban          {room?, user?, ip?, seconds?, reason?}  {}    0 seconds: until unban
//	unban        {room?, user?, ip?}               {}
//	mute         {room?, user, seconds?, reason?}  {}
//	unmute       {room?, user}                     {}
//	sanctions    {room?}                           {bans: [{user?, ip?, until?, by, reason?}], mutes: […]}
//
// Without room, these calls need a role in all rooms. A moderator's bans and mutes do not bind
// admins (of the room or, without room, of all rooms), nor in a private room its owner. A moderator
// can neither lift nor replace a ban or mute that an admin, or the server API with a key, imposed
// (103). A ban in a room removes the users that it binds from the roster. A muted user cannot set
// titles or invite, not even in rooms of their own; nor can a user in a locked room that may not
// mute others. Edits count in slow mode as messages do. If a user is banned in a room, every call
// about the room fails with 443, except leaving and repeating an earlier send.
//
// The calls of a connection are answered one after the other, in the order of its commands. Few calls of all
// clients run at a time, more wait, and users take turns; beyond that a call fails with the temporary error 111.
//
// # Errors
//
// Besides the errors of the protocol: 113 the id belongs to another message; 440 the caller is muted; 441 too
// soon, in slow mode (temporary; repeating an id is not too soon); 442 the room is locked; 443 the caller is
// banned; 444 the message does not exist; 445 the text is too long or has control characters. Close code 4503:
// banned.
//
// # The order of the files
//
// A file uses only what stands before it in this list: a test in cmd reads it.
//
//	ground      who.go, event.go, chat.go
//	rosters     decline.go, roster.go, personal.go (notices)
//	reasons     why.go
//	rooms       room.go, invite.go
//	messages    edit.go, leave.go, react.go, mark.go
//	moderators  moderation.go
//	people      members.go
//	again       talk.go, create.go, messages.go, list.go, sync.go
//	all         methods.go (the table of calls), erase.go
//
// # How to add a call
//
// A call, say pin, is one file, one line, and a row in the tables of rights_test.go and threats_test.go:
//
//	pin.go      type pinRequest struct { inRoom; Offset uint64 `json:"offset"` }
//	            func (c *Chat) pin(ctx context.Context, call *rpc.Call, q *pinRequest) (empty, error)
//	methods.go  "pin": define((*Chat).pin, rpc.Kind{Class: policy.ClassSend}),
//
// A request that embeds inRoom gets the room's name in its normal form; fields that the request does
// not have are refused before pin is called. pin returns a result, or empty{}, which becomes JSON, or
// an error; an error of the engine needs no translation (clientError). It reads from top to bottom:
//
//	may(call, policy.ActManage, q.Room)                  the rights: policy.Decide judges
//	messages.Exists(ctx, call.Hub, q.Room, q.Offset)     the message is there
//	store.Change(ctx, store.New(call.State()), key, f)   the entry; the caller pays for it
//	call.Publish(room.SessionMessage{…, Event: true})    the event, with a CompactKey of its own
//
// It runs on a goroutine and may wait for the engine, not for the client. If nothing can make it wait
// (the engine is in memory, and there are no hooks), it runs on the worker. The class says
// in which rate it counts (policy.Rates). Then describe the call and its event above, with an example:
// doc_test.go runs it. If it needs a new right, that is an action of package policy; a new table of
// the State is a constant of package engine.
//
// # Vocabulary
//
//	call       an RPC that this package answers (methods.go)
//	event      a publication about a message, a user or the room; the tag event says which
//	roster     the users that belong to a room, in TableMember (roster.go)
//	list       the rooms of a user, in TableMine (list.go)
//	enroll     put a user on a roster and the room into the user's list; leave undoes both (roster.go)
//	join, leave  the calls room.join and room.leave; being connected to a room is subscribing
//	notice     an event in a user's personal room about a message elsewhere (personal.go)
//	mark       how far a user has received and read a room (mark.go)
//	traces     what the State has of a user (erase.go)
//
// # Examples
//
// The users alice, bob and carol, a moderator of all rooms, are in the room lobby. → is a call,
// and ← its result or error. A line with ! is a publication that everybody in the room gets; a
// line with a name and ! is one that only this user gets. … stands for any text.
//
// A message is sent twice with the same id, and published once:
//
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	! 1 alice {"text":"hello"} id=a-1
//	← {"offset":1,"epoch":"…"}
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	← {"offset":1,"epoch":"…"}
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"other"}}
//	← error 113
//
// A reply, a reaction and an edit:
//
//	bob → send {"room":"lobby","data":{"text":"hi"},"reply":1}
//	! 2 bob {"text":"hi"} reply=1
//	← {"offset":2,"epoch":"…"}
//	alice → react {"room":"lobby","offset":2,"emoji":"👍"}
//	! 3 alice {} emoji=👍 event=react of=2
//	← {}
//	bob → edit {"room":"lobby","offset":2,"data":{"text":"hi there"}}
//	! 4 bob {"text":"hi there"} event=edit of=2
//	← {"offset":4}
//	alice → edit {"room":"lobby","offset":2,"data":{"text":"mine"}}
//	← error 103
//	alice → messages {"room":"lobby","after":1}
//	← {"messages":[{"offset":2,"data":{"text":"hi there"},"info":{"user":"bob",…},"time":…,"reply":1,"edited":…,"reactions":[{"emoji":"👍","users":["alice"],"count":1}]}],"offset":4,"epoch":"…","more":false,"now":…}
//
// A message is deleted, and its text is removed:
//
//	carol → delete {"room":"lobby","offset":2}
//	! 5 carol {} event=delete of=2
//	← {}
//	bob → messages {"room":"lobby","after":1}
//	← {"messages":[{"offset":2,"data":{},"info":{"user":"bob",…},"time":…,"deleted":true}],"offset":5,"epoch":"…","more":false,"now":…}
//	bob → edit {"room":"lobby","offset":2,"data":{"text":"again"}}
//	← error 444
//
// A user is typing; the user gets the event too:
//
//	bob → typing {"room":"lobby"}
//	! bob {} event=typing
//	← {}
//
// Users make private, public and direct rooms:
//
//	alice → room.create {"title":"Two of us","users":["bob"]}
//	alice ! #alice: 1 {} event=rooms room=$…
//	bob ! #bob: 1 {"title":"Two of us"} by=alice event=invite room=$…
//	← {"room":"$…"}
//	alice → room.create {"room":"lobby","title":"The lobby"}
//	alice ! #alice: 2 {} event=rooms room=lobby
//	← {"room":"lobby"}
//	bob → room.create {"room":"lobby","title":"Mine"}
//	← error 113
//	bob → room.join {"room":"lobby"}
//	bob ! #bob: 2 {} event=rooms room=lobby
//	! 6 bob {} event=join user=bob
//	← {}
//	bob → room.direct {"user":"alice"}
//	bob ! #bob: 3 {} event=rooms room=#alice,bob
//	← {"room":"#alice,bob"}
//	bob → send {"room":"#alice,bob","data":{"text":"psst"}}
//	alice ! #alice: 3 {} by=bob event=message offset=1 room=#alice,bob
//	← {"offset":1,"epoch":"…"}
//	alice → rooms {}
//	← {"rooms":[{"room":"#alice,bob","kind":"direct","title":"","unread":1,"read":0,"last":{"offset":1,"data":{"text":"psst"},…}},{"room":"$…","kind":"private","title":"Two of us","unread":0,"read":0,"role":"owner"},{"room":"lobby","kind":"public","title":"The lobby","unread":…,"read":0,"last":…}],"more":false}
//
// A user marks messages as read:
//
//	bob → mark {"room":"lobby","read":2}
//	bob ! #bob: 4 {} event=mark read=2 room=lobby
//	! 7 bob {} delivered=2 event=mark read=2
//	← {"read":2,"delivered":2}
//	alice → marks {"room":"lobby"}
//	← {"marks":[{"user":"bob","read":2,"delivered":2}]}
//
// A device of alice that was away asks for everything that it has missed:
//
//	alice → sync {"since":{"gone":{"epoch":"x","offset":1}},"after":"a","limit":1}
//	← {"rooms":[{"room":"lobby","kind":"public","title":"The lobby","unread":0,"read":0,"last":…,"delivered":0,"epoch":"…","offset":7,"messages":[{"offset":2,…}],"older":true}],"left":["gone"],"more":false,"now":…}
//
// Moderation:
//
//	bob → mute {"room":"lobby","user":"alice"}
//	← error 103
//	carol → mute {"room":"lobby","user":"alice","reason":"shouting"}
//	! 8 carol {} event=mute user=alice
//	← {}
//	alice → send {"room":"lobby","data":{"text":"LOUD"}}
//	← error 440
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	← {"offset":1,"epoch":"…"}
//	carol → sanctions {"room":"lobby"}
//	← {"bans":[],"mutes":[{"user":"alice","by":"carol","reason":"shouting"}]}
//	carol → unmute {"room":"lobby","user":"alice"}
//	! 9 carol {} event=unmute user=alice
//	← {}
//	carol → room.set {"room":"lobby","locked":true}
//	← error 103
package chat
