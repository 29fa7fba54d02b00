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
// Nothing but messages and edits is shown in the plain dialect.
//
// The text of a message that is taken back is gone from the history, its
// edits' too: there it is {} with the tag redacted=true, at its old offset.
// Of raw publications (history, recovery) a client makes messages as the call
// messages does, by folding: see [Fold].
//
// # Rooms
//
// A room that begins with neither # nor $ is public: the rights say who may be
// there. #USER is a user's own, to which the server joins all her connections
// and puts what is for her; #A,B is between two users (names in order; %, comma
// and # in a name as %25, %2C and %23); $… is for those on its roster.
// A public room has a roster too, of those that keep it in their list; it bars
// nobody.
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
// call is judged by the rights as the command that it resembles.
//
//	send         {room, data, id?, reply?}         {offset, epoch}
//	             id: 1 to 64 bytes. The same id of the same user with the same data within 5 minutes is
//	             the same message, with the same offset; with other data it is error 113.
//	edit         {room, offset, data}              {offset} of the event
//	delete       {room, offset}                    {}
//	react        {room, offset, emoji, remove?}    {}
//	typing       {room}                            {}
//	mark         {room, read?, delivered?}         {read, delivered}
//	             Marks only grow. In rooms with a roster of up to 100 others see them, as events.
//	marks        {room}                            {marks: [{user, read, delivered}]}
//	messages     {room, limit?, before?, after?}   {messages: [message], offset, epoch, more}
//	             limit 50, at most 200; the oldest first; before an offset, or after one, else the newest.
//	             message: {offset, data, info?, time, id?, reply?, edited?, deleted?, reactions?: [{emoji, users, count}]}
//	             time and edited in unix milliseconds; users: at most 20 of those that count.
//
//	rooms        {after?, limit?}                  {rooms: [{room, kind, title, unread, read, last?: message, role?}], more}
//	             kind: public, private or direct; limit 50, at most 100
//	room.create  {title, room?, users?}            {room}
//	             without room: a private one ($…), whose owner the caller is; users are invited.
//	             with room: a public one of that name, if the caller may send there; error 113 if it has a title already.
//	room.direct  {user}                            {room}
//	room.join    {room}                            {}    puts a room in the list; a private one after an invitation
//	room.leave   {room}                            {}
//	room.invite  {room, user}                      {}
//	room.set     {room, title?, locked?, slow?}    {}    slow: seconds between two messages of a user; manage
//	room.info    {room}                            {room, kind, title, locked, slow, may: [action], muted?: until, role?}
//	members      {room, after?, limit?}            {members: [{user, info?, online, role?}], more}
//
//	kick         {room?, user}                     {}    room: out of it; without: all connections of the user, for good (3503)
//	ban          {room?, user?, ip?, seconds?, reason?}  {}    0 seconds: until unban
//	unban        {room?, user?, ip?}               {}
//	mute         {room?, user, seconds?, reason?}  {}
//	unmute       {room?, user}                     {}
//	sanctions    {room?}                           {bans: [{user?, ip?, until?, by, reason?}], mutes: […]}
//
// Without room, these need a role in all rooms.
//
// # Errors
//
// Besides those of the protocol: 113 the id belongs to another message; 440 the
// caller is muted; 441 too soon, in slow mode (temporary); 442 the room is locked;
// 443 banned; 444 no such message; 445 the text is too long or has control
// characters. Close code 4503: banned.
//
// # Examples
//
// Users are alice, bob and, a moderator, carol, all in the room lobby. A line with
// → is a call, ← its result or error, ! what everybody in the room gets; … stands
// for anything.
//
//	alice → send {"room":"lobby","id":"a-1","data":{"text":"hello"}}
//	! 1 alice {"text":"hello"} id=a-1
//	← {"offset":1,"epoch":"…"}
package chat
