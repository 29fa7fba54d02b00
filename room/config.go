package room

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"webim/room/backend"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/guest"
	"webim/room/policy"
	"webim/room/token"
)

// Config holds the settings of a Hub. Only Engine is required.
//
// Hub.Reconfigure changes the settings of a hub that serves. A new value holds for each command, message,
// join and reply that comes from then on. It ends nothing that was admitted before: if a maximum becomes
// less than what there is, nothing more is admitted until there is less again. The comment of a field says
// so where the field is different, and whether it is fixed: Reconfigure cannot change it.
type Config struct {
	// Engine stores messages and state, and connects nodes. It is required. Fixed.
	Engine engine.Engine
	// Ended answers engine.Question.Ended: it returns one JSON value. nil: no node asks this one. Fixed.
	Ended func(who string) []byte
	// MaxRooms is the maximum number of rooms with members, without the personal rooms of users; 0:
	// 100,000; negative: no maximum. One owner can make at most 1/16 of the rooms that are free. Above it
	// a connection gets 503.
	MaxRooms int
	// MaxPublication is the maximum size of a publication, in bytes, in rooms without one of their own; 0:
	// 256 KiB. See Options.MaxPublication.
	MaxPublication int
	// MaxIncoming is the maximum size of an incoming message, in bytes, that clients are told. It should
	// be that of the listeners, netpoll.Config.MaxMessage. 0: clients are not told.
	MaxIncoming int
	// MaxMembers is the maximum number of members of one room; 0: no maximum except that of the server.
	// Above it a connection gets 503.
	MaxMembers int
	// MaxUnswept is the maximum number of bytes of a room that no sweep has taken yet; 0: 1 MiB. If the
	// message of a member does not fit, the member is not read until it fits; such members take turns. A message
	// larger than MaxUnswept fits when nothing else is unswept. Members that wait already go on when a new value
	// lets their messages in, at the end of the next sweep.
	MaxUnswept int
	// MaxRoomsPerConn is the maximum number of rooms that one connection of the centrifuge dialect may be
	// in; 0: 128.
	MaxRoomsPerConn int
	// MaxCommands is the maximum number of commands in one message; 0: 256. It should not be less than
	// MaxRoomsPerConn, because clients subscribe to all their rooms again in one message.
	MaxCommands int
	// MaxReply is the maximum size of the publications in one reply, in bytes: those of all rooms that a
	// connect command recovers, of the room that a subscribe command recovers, or of a history; 0: 1 MiB.
	// Above it a room is not recovered, and the client is told so; a history has fewer publications.
	MaxReply int
	// MaxReplies is the maximum number of bytes that all replies which recover rooms take together while
	// they are made, about three times their publications; 0: 64 MiB. One user or address gets at most a
	// sixteenth of what is free.
	MaxReplies int64
	// MaxPresence is the maximum number of members in a presence reply; 0: 1000. Above it presence is not
	// available, but presence stats are.
	MaxPresence int
	// PingInterval is the time between two pings to a connection of the centrifuge dialect; 0: 25 s;
	// negative: no pings. If nothing comes within PongTimeout after a ping, the connection is closed with
	// 3012; 0: 8 s; negative: it is not closed. Both are fixed: clients are told them when they connect, and
	// expect the pings accordingly.
	PingInterval, PongTimeout time.Duration
	// ConnectTimeout is how long a connection may wait with its connect command before it is closed with
	// 3502; 0: 10 s. A connection that is open already keeps its time.
	ConnectTimeout time.Duration
	// Anonymous accepts connections without a token, and guests. Options says which rights they have. Connections that
	// are there stay, in the rooms that still allow them to: see Hub.Rejudge.
	Anonymous bool
	// MaxConnsPerUser is the maximum number of connections of one user; 0: 128; negative: no maximum. Above
	// it: 3504, in the plain dialect 429. It does not apply to anonymous users: their addresses are limited.
	MaxConnsPerUser int
	// Rates limit the commands of one connection, UserRates those of all connections of a user. A zero rate
	// means that of DefaultRates or DefaultUserRates; NoRates means no limits. Above a rate clients get the
	// temporary error 111; in the plain dialect the message is dropped. Rates.Join and UserRates.Join
	// permit at least MaxRoomsPerConn at once. What is used of a rate stays used when the rate changes: as the
	// time until all of it may be used again. All clients of an address that have no token share
	// budget.AddressShare times the bytes that one user may spend. Package budget has the whole table.
	Rates, UserRates policy.Rates
	unbound          bool          // neither has any limit
	idleEvery        time.Duration // see Hub.deactivateIdle
	// Refusals limits how often a connection may exceed its rates; zero: DefaultRefusals. Above it the
	// connection is closed with 3509, in the plain dialect with 1008.
	Refusals budget.Rate
	// Tokens verifies connection and subscription tokens; nil: one without keys. The hub neither starts
	// nor closes it. Fixed; token.Verifier.Replace changes the keys.
	Tokens *token.Verifier
	// Guests lets anonymous users choose a name, if Anonymous is set; nil: they have none. Fixed.
	Guests *guest.Guests
	// Revoked has the tokens that were revoked; nil: none was, and none can be. Fixed.
	Revoked *token.Revoked
	// ExpiredGrace is how long a connection or a subscription outlives its token, so that a new one can
	// come; and how long a backend that gives no answer to HookRefresh is asked again; 0: 25 s. A connection
	// looks at a new value when the time is over that it waits for now, or when it gets a new token.
	ExpiredGrace time.Duration
	// LeaveDelay is how long the notice that a client has left is delayed; 0: 1 s; negative: not at all. If
	// the client comes back in that time, there is no notice. Presence shows at once that it has left. A
	// notice that waits already keeps its time.
	LeaveDelay time.Duration
	// Audit gets a line for each action of moderators, and of the server API, against users; nil: there is
	// no audit log. Fixed.
	Audit *slog.Logger
	// Log gets a line, at most one for each reason and interval, when clients are refused or slowed down;
	// nil: there is no such log. Fixed.
	Log *slog.Logger
	// Text limits the texts of messages; the zero value means the defaults.
	Text policy.TextLimits
	// FollowUp is called with each message that a connection of this node has published, in either dialect;
	// m has no Data. It is called on the goroutine on which the engine answers, with no lock held, and must
	// not block. If there is work to do that may wait for the engine, FollowUp returns a function that does
	// the work. The hub runs these functions one at a time for each room and payer, in the order of the
	// messages, and acknowledges a message only after its function has returned. If the engine never has to be
	// waited for (engine.Prompt), the hub runs the function at once, on the goroutine that called
	// FollowUp. While the server is busy with calls, such work is dropped. nil: there are no follow-ups. Fixed.
	FollowUp func(h *Hub, room string, at engine.Position, m engine.Message) (followUp func(context.Context))
	// Backend decides instead of the rights where the application wants that; nil: there is none. Fixed.
	Backend backend.Backend
	// Calls implements RPCs; nil: no method is known. See package rpc. Fixed.
	Calls Calls
	// MaxCalls is the maximum number of calls that run at a time, each on a goroutine, if calls may have to
	// wait for the engine or for HookPublish; 0: 8 for each processor. Four times as many may wait for their turn,
	// and users and addresses take turns. Above that a call is refused with the temporary error 111. It is
	// also the maximum number of follow-ups of calls that run at a time. Calls that run or wait already stay.
	MaxCalls int
	// Personal joins each connection of a user to PersonalRoom of the user, when it connects. Present
	// connections stay in the rooms in which they are.
	Personal bool
	// Options returns the features and the rights of a room. The result must be the same for a name each
	// time, and must not be changed. nil: rooms have no features, and no rights except those of tokens. Fixed; its results
	// may change, and then the caller calls Hub.Rejudge.
	Options func(room string) *policy.Options
	// Version is the version of the server that clients are told. Fixed.
	Version string
	// MaxPause is the maximum pause after a sweep, in which a busy room collects messages; 0: 25 ms;
	// negative: no pause. While thousands of clients a second connect, a pause may be four times as long.
	MaxPause time.Duration
}

// noOptions are the options of a room for which there are none.
var noOptions = &policy.Options{}

// options returns the options of a room. The whole server, room "", has none.
func (c *Config) options(room string) *policy.Options {
	if c.Options != nil && room != "" {
		if o := c.Options(room); o != nil {
			return o
		}
	}
	return noOptions
}

func (c Config) withDefaults() Config {
	c.MaxRoomsPerConn = cmp.Or(c.MaxRoomsPerConn, 128)
	c.MaxCommands = cmp.Or(c.MaxCommands, 256)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Tokens == nil {
		c.Tokens = &token.Verifier{}
	}
	c.MaxReply = cmp.Or(c.MaxReply, 1<<20)
	c.MaxReplies = cmp.Or(c.MaxReplies, 64<<20)
	c.MaxPresence = cmp.Or(c.MaxPresence, 1000)
	c.MaxConnsPerUser = cmp.Or(c.MaxConnsPerUser, 128)
	c.Rates = c.Rates.WithDefaults(policy.DefaultRates, c.MaxRoomsPerConn)
	c.UserRates = c.UserRates.WithDefaults(policy.DefaultUserRates, c.MaxRoomsPerConn)
	c.idleEvery = cmp.Or(c.idleEvery, idleEvery)
	c.unbound = c.Rates.Unlimited() && c.UserRates.Unlimited()
	c.Text = c.Text.WithDefaults()
	c.Refusals = c.Refusals.WithDefault(policy.DefaultRefusals)
	c.PingInterval = cmp.Or(c.PingInterval, 25*time.Second)
	c.PongTimeout = cmp.Or(c.PongTimeout, 8*time.Second)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.LeaveDelay = cmp.Or(c.LeaveDelay, time.Second)
	c.ExpiredGrace = cmp.Or(c.ExpiredGrace, 25*time.Second)
	c.MaxRooms = cmp.Or(c.MaxRooms, 100_000)
	c.MaxPublication = cmp.Or(c.MaxPublication, 256<<10)
	c.MaxUnswept = cmp.Or(c.MaxUnswept, 1<<20)
	c.MaxPause = cmp.Or(c.MaxPause, 25*time.Millisecond)
	return c
}
