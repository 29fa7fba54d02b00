// Package chat is what people do in rooms beyond publishing: calls (RPCs of the
// centrifuge dialect) that any client library can make, and events, which are
// publications of the server that any client gets. This text is their reference;
// its examples run as tests (doc_test.go).
//
// # Events
//
// All that happens in a room is a publication in its one stream, with an offset,
// and comes again on recovery: messages, and what is done to them. What the
// server vouches for stands in the publication's tags, which no client can set,
// and its author in info.user; data is what the author said, and nothing that
// it claims to be is believed.
//
//	tags                                  data        what it is
//	none, or "id", "reply"                any         a message; id is the sender's own, reply the offset that it answers
//	event=edit, of=OFFSET                 any         the message at that offset says this from now on
//	event=delete, of=OFFSET               {}          the message is taken back
//	event=react, of=OFFSET, emoji=E       {}          the author finds E of it
//	event=unreact, of=OFFSET, emoji=E     {}          no longer
//	event=mark, read=OFFSET, delivered=…  {}          the author has got and read all up to there
//	event=typing                          {}          the author is about to say something; it has no offset and is not remembered
//	event=join, user=U                    {}          U is on the room's roster now; event=leave: no longer
//	event=kick|ban|unban|mute|unmute, user=U, until=UNIX  {}  the author, a moderator, did that to U
//	event=room                            {"title":…,"locked":…,"slow":…}  the room is set so from now on
//
// Events other than edits never make a room forget a message: they have a quota of
// their own, and of those that say how something is now (who is on the roster, how far
// a user has read, whether a reaction stands) the room remembers the last one. A
// client that missed an event which is forgotten does not recover and asks for
// messages, which tells the reactions that stand, and marks. Joining, leaving,
// marking and reacting are told by those who could say something in the room: not by
// the muted, nor in a locked room, nor where the rights let nobody send.
//
// Nothing but messages is shown in the plain dialect: an edit would be one more message
// there.
//
// The text of a message that is taken back is gone from the history, its
// edits' too: there it is {} with the tag redacted=true, at its old offset.
// Of raw publications (history, recovery) a client makes messages as the call
// messages does, by folding: see [Fold]. A reaction stands from its react to its unreact.
//
// # Rooms
//
// A room that begins with neither # nor $ is public: the rights say who may be
// there. #USER is a user's own, to which the server joins all her connections
// and puts what is for her; #A,B is between two users (names in order; %, comma
// and # in a name as %25, %2C and %23); $… is for those on its roster.
// A public room has a roster too, of the users that keep it in their list; it bars
// nobody. Guests have a public room in their list and are not on its roster.
// The server puts names of public rooms in the normal form NFC, without the selector
// U+FE0F behind an emoji, and its messages bear that name. Client libraries find a
// subscription by the name that they asked for, so to subscribe by another spelling is
// error 107, which tells the name. All else that names a room takes any spelling.
//
// In a user's own room the server publishes, without an author:
//
//	event=invite, room=R, by=U         {"title":…}   U put her on the roster of R
//	event=message, room=R, offset=N, by=U   {}       something was said in R, which is in her list, or direct
//	event=mark, room=R, read=N         {}            she has read R up to there, on another device
//	event=rooms                        {}            her list of rooms changed otherwise: ask for it again
//
// # Calls
//
// The data of a call and of its result are JSON objects. A field that is not
// known, or not of its type, is error 107, with a sentence that names it. Each
// call is judged by the rights as the command that it resembles; what send and
// edit say, by the application's backend too, where that is asked about publish, and
// not again about what it let pass.
//
//	send         {room, data, id?, reply?}         {offset, epoch}
//	             id: 1 to 64 bytes. The same id of the same user with the same data within 5 minutes is
//	             the same message, with the same offset, and is so even after something has come up against
//	             saying it (a mute, a ban, a lock): who lost the answer gets it. With other data it is error 113.
//	edit         {room, offset, data}              {offset} of the event
//	delete       {room, offset}                    {}    of what is forgotten already, too, as long as an edit of it is not
//	react        {room, offset, emoji, remove?}    {}
//	typing       {room}                            {}    members are told at most once a second, of up to 8 who type; in rooms of over 200 not at all
//	mark         {room, read?, delivered?}         {read, delivered}
//	             Marks only grow, as long as the room's epoch lasts, and not beyond what was said; 2000 of a user.
//	             In rooms with a roster of up to 100 others see them, as events.
//	marks        {room}                            {marks: [{user, read, delivered}]}, of the roster, and in public rooms of the guests that are there
//	messages     {room, limit?, before?, after?}   {messages: [message], offset, epoch, more, now}
//	             limit 50, at most 200; the oldest first; before an offset, or after one, else the newest;
//	             or with offsets: [offset], 200 at most, these, as far as they are there. Long messages
//	             make a page shorter, which has more, then; with offsets it lacks the last ones.
//	             message: {offset, data, info?, time, id?, reply?, edited?, deleted?, reactions?: [{emoji, users, count}]}
//	             time, edited and now, the server's time, in unix milliseconds; users: at most 20 of those that count.
//
//	rooms        {after?, limit?}                  {rooms: [{room, kind, title, unread, read, last?: message, role?, with?: {user, info?, online?}}], more}
//	             kind: public, private or direct; limit 50, at most 100, and fewer where the last messages are long
//	             or much is unread: the next page is after the last room of this one, as long as there are more. last has no
//	             reactions. with: the other user of a
//	             direct room; info and online, or the name that the user's token had when the room came into
//	             both lists, are told only of a user who has the room in its list and declines neither it nor the caller
//	room.create  {title, room?, users?}            {room}
//	             without room: a private one ($…), whose owner the caller is; users are invited.
//	             with room: a public one of that name, if the caller may send there; error 113 if it has a title already.
//	room.direct  {user}                            {room}
//	room.join    {room}                            {}    puts a room in the list; a private one after an invitation
//	room.leave   {room, forever?}                 {}    what the caller has read is forgotten; so is the room that all have left,
//	             with its bans and mutes if it is private, and its title unless a manager has set it.
//	             An owner is followed by who is there longest.
//	             With forever, no invitation to the room reaches the caller any more.
//	room.invite  {room, user}                      {}    puts a user on a private room's roster, and tells the user of it.
//	             The answer is the same if the user is banned there, has declined, or is no user at all. A user
//	             gets 5 invitations of another one in 10 minutes, and an inviting user makes 200; error 111 above.
//	             The users of room.create count as well.
//	room.decline {room} or {user}, undo?           {}    from now on no invitation to the room, or by the user, reaches the
//	             caller, for good; with undo they do again. Who invites is not told. 1000 of a user.
//	room.set     {room, title?, locked?, slow?}    {}    slow: seconds between two messages of a user; manage
//	room.info    {room}                            {room, kind, title, locked, slow, may: [action], muted?: until, muted_why?, role?,
//	             limits: {text?, characters?, message?}}
//	             limits: of what the caller sends there, absent where there is none. text: bytes of data.text as UTF-8,
//	             characters: its graphemes; message: bytes of data as JSON and of the names and values of its tags
//	             (id and reply; of an edit event and of) together.
//	             443 for who is banned there. The sentence of the error, and muted_why, are
//	             "banned until 2026-01-02T15:04:05Z: REASON", the end and the reason as far as there are any
//	members      {room, after?, limit?}            {members: [{user, info?, online?, role?}], more, here?}
//	             in the order of their names, those without one first and as one; limit 1000;
//	             here: how many users are there; neither it nor online is told where presence is not known.
//	             Of a member of a private room who is away, info has the name of the time of coming in.
//
//	kick         {room?, user}                     {}    room: out of it (in the plain dialect: closed); without: all connections
//	             of the user, for good (3503). It is no ban.
//	ban          {room?, user?, ip?, seconds?, reason?}  {}    0 seconds: until unban
//	unban        {room?, user?, ip?}               {}
//	mute         {room?, user, seconds?, reason?}  {}
//	unmute       {room?, user}                     {}
//	sanctions    {room?}                           {bans: [{user?, ip?, until?, by, reason?}], mutes: […]}
//
// Without room, these need a role in all rooms. What a moderator does so binds no
// admin (of the room or, without one, of all), and nothing the owner of a private
// room in it. What an admin imposed, or the server's API by a key, a moderator
// neither lifts nor replaces (103). A ban in a room takes off its roster whom it binds. Who is muted, or in a locked room, makes no titles and invites nobody, in rooms of
// its own, too; edits count in slow mode as messages do;
// who is banned in a room gets 443 for whatever is asked of it but leaving, and what
// became of an earlier send.
//
// # Errors
//
// Besides those of the protocol: 113 the id belongs to another message; 440 the
// caller is muted; 441 too soon, in slow mode (temporary; the same id again is not);
// 442 the room is locked; 443 banned; 444 no such message; 445 the text is too long
// or has control characters. Close code 4503: banned.
//
// # Examples
//
// Users are alice, bob and, a moderator everywhere, carol, all in the room lobby.
// A line with → is a call and ← its result, or error; ! is what everybody in the
// room gets, and a name with ! what only that user gets. … stands for anything.
//
// A message, and the same again, which is not said twice:
//
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	! 1 alice {"text":"hello"} id=a-1
//	← {"offset":1,"epoch":"…"}
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	← {"offset":1,"epoch":"…"}
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"other"}}
//	← error 113
//
// An answer, a reaction, an edit:
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
// Taking back, and what is left of it:
//
//	carol → delete {"room":"lobby","offset":2}
//	! 5 carol {} event=delete of=2
//	← {}
//	bob → messages {"room":"lobby","after":1}
//	← {"messages":[{"offset":2,"data":{},"info":{"user":"bob",…},"time":…,"deleted":true}],"offset":5,"epoch":"…","more":false,"now":…}
//	bob → edit {"room":"lobby","offset":2,"data":{"text":"again"}}
//	← error 444
//
// Somebody is about to say something; the author is told, too:
//
//	bob → typing {"room":"lobby"}
//	! bob {} event=typing
//	← {}
//
// Rooms of one's own:
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
// What was read:
//
//	bob → mark {"room":"lobby","read":2}
//	bob ! #bob: 4 {} event=mark read=2 room=lobby
//	! 7 bob {} delivered=2 event=mark read=2
//	← {"read":2,"delivered":2}
//	alice → marks {"room":"lobby"}
//	← {"marks":[{"user":"bob","read":2,"delivered":2}]}
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
