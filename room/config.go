package room

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"webim/room/engine"
	"webim/room/token"
)

// Config holds the settings of a Hub. Only Engine is required.
type Config struct {
	// Engine stores messages and state, and connects nodes. It is required.
	Engine engine.Engine
	// MaxRooms bounds the rooms that have members, users' own not counted; 0: 100,000;
	// negative: no bound. An owner makes 1/16 of what is free at most. Above it a
	// connection gets 503.
	MaxRooms int
	// MaxPublication bounds the bytes of a publication in rooms whose Options do not; 0:
	// 256 KiB. See Options.MaxPublication.
	MaxPublication int
	// MaxIncoming is the bound that the listeners have for the bytes of an incoming
	// message, as netpoll.Config.MaxMessage; it is only told to clients. 0: not told.
	MaxIncoming int
	// MaxMembers bounds the members of one room; 0: no bound but the
	// server's. Above it a connection gets 503.
	MaxMembers int
	// MaxUnswept bounds the bytes of a room that no sweep has taken yet; 0: 1
	// MiB. A member whose message does not fit is not read until it does, in
	// turn with the others; a message larger than MaxUnswept fits when nothing
	// else is unswept.
	MaxUnswept int
	// MaxRoomsPerConn bounds the rooms that one connection of the centrifuge
	// dialect is in; 0: 128.
	MaxRoomsPerConn int
	// MaxCommands bounds the commands in one message; 0: 256. It should not be
	// less than MaxRoomsPerConn: clients subscribe anew to all in one message.
	MaxCommands int
	// MaxReply bounds the bytes of publications in one reply: of all rooms that a
	// connect command recovers, of one room that a subscribe command does, and of a
	// history; 0: 1 MiB. Beyond it a room is not recovered, and the client is told so; a
	// history has fewer publications.
	MaxReply int
	// MaxReplies bounds the bytes that all replies which recover rooms take together
	// while they are made, about three times their publications; 0: 64 MiB. One user
	// or address gets a sixteenth of what is free.
	MaxReplies int64
	// MaxPresence is the most members that a presence reply names; 0: 1000.
	// Above it presence is not available, its counts are.
	MaxPresence int
	// PingInterval is how often a connection of the centrifuge dialect is
	// pinged; 0: 25 s; negative: never. PongTimeout: one from whom nothing
	// comes for so long after a ping is closed with 3012; 0: 8 s; negative:
	// nobody waits.
	PingInterval, PongTimeout time.Duration
	// ConnectTimeout: a connection without a connect command for so long is
	// closed with 3502; 0: 10 s.
	ConnectTimeout time.Duration
	// Anonymous lets connections in without a token. What they may do there is
	// said by Options.
	Anonymous bool
	// MaxConnsPerUser bounds the connections of one user; 0: 128; negative:
	// none. Above it: 3504, in the plain dialect 429. Users without a name are
	// bounded by their address alone.
	MaxConnsPerUser int
	// Rates bound the commands of one connection, UserRates those of all
	// connections of a user; zero ones are those of DefaultRates and
	// DefaultUserRates; NoRates: no bounds. Above them: the temporary error 111;
	// in the plain dialect the message is lost. Rates.Join and UserRates.Join
	// are at least MaxRoomsPerConn at once. All clients of an address that no token
	// names share budget.AddressShare times what one user may spend in bytes. Package budget
	// has the whole table.
	Rates, UserRates Rates
	unbound          bool          // neither has any bound
	idleEvery        time.Duration // see Hub.calm
	// Refusals bounds how often a connection is refused so; zero:
	// DefaultRefusals. Above it, it is cut with 3509, in the plain dialect with
	// 1008.
	Refusals Rate
	// Tokens judges connection and subscription tokens; nil: none is good. The
	// hub neither starts nor closes it.
	Tokens *token.Verifier
	// Guests lets anonymous connections say a name; nil: they have none.
	Guests *Guests
	// Revoked are tokens that are good no more; nil: none.
	Revoked *token.Revoked
	// ExpiredGrace is how long a connection or subscription outlives its token,
	// for the new one to come, and how long a backend that does not answer
	// HookRefresh is asked again; 0: 25 s.
	ExpiredGrace time.Duration
	// LeaveDelay is how long members are not told that somebody left, in case
	// that it comes back at once: then they are told nothing; 0: 1 s; negative:
	// none. Presence knows at once.
	LeaveDelay time.Duration
	// Audit gets a line for each thing that moderators, and the server API, do to
	// users; nil: nobody does.
	Audit *slog.Logger
	// Log gets a line, now and then, when clients are refused or slowed down because a
	// budget is used up; nil: nobody does.
	Log *slog.Logger
	// Text bounds what people say; the zero value: the defaults.
	Text TextLimits
	// FollowUp is called with each message that a connection of this node has published,
	// in either dialect; m has no Data. If FollowUp is nil, nothing is called. The goroutine on
	// which the engine answers calls it, with no lock held, and it must not block. If there
	// is work to do that may wait for the engine, FollowUp returns a function that does the work.
	// The hub runs these functions one at a time in each room, in the order of the messages,
	// and each before it acknowledges the message. If calls never have to wait
	// (engine.Prompt, and no Backend), the function runs at once instead, on the goroutine
	// that called FollowUp. While the server is busy with calls, the work is dropped.
	FollowUp func(h *Hub, room string, at engine.Position, m engine.Message) (followUp func(context.Context))
	// Backend is asked where an application wants to decide itself; nil: nobody is.
	Backend Backend
	// Calls answers RPCs; nil: none is known.
	Calls Caller
	// MaxCalls bounds the calls that run at a time, each on a goroutine, where calls may
	// have to wait for the engine or a backend; 0: 8 for each
	// processor. Four times as many wait for their turn, and users and addresses take
	// turns. Beyond that a call is refused with the temporary error 111.
	MaxCalls int
	// Personal joins each connection that has a user to the user's own room,
	// PersonalRoom, as it connects.
	Personal bool
	// Options says what a room offers, and who may do what there; nil: nothing
	// but publications, and only what tokens permit. What it returns must not be
	// changed, and be the same for a name each time.
	Options func(room string) *Options
	// Version is what clients are told that they speak with.
	Version string
	// MaxPause bounds the pause after a sweep, in which a busy room's messages
	// gather; 0: 25 ms; negative: no pause. While thousands of clients a second
	// connect, a pause may be four times as long.
	MaxPause time.Duration
}

// options are what a room offers.
func (c *Config) options(room string) *Options {
	if c.Options != nil {
		if o := c.Options(room); o != nil {
			return o
		}
	}
	return noOptions
}

// Config returns the hub's settings, with defaults. They must not be changed.
func (h *Hub) Config() *Config { return &h.cfg }

// Options are what a room offers, and to whom. They must not be changed.
func (h *Hub) Options(room string) *Options { return h.cfg.options(room) }

func (c Config) withDefaults() Config {
	c.MaxRoomsPerConn = cmp.Or(c.MaxRoomsPerConn, 128)
	c.MaxCommands = cmp.Or(c.MaxCommands, 256)
	c.MaxReply = cmp.Or(c.MaxReply, 1<<20)
	c.MaxReplies = cmp.Or(c.MaxReplies, 64<<20)
	c.MaxPresence = cmp.Or(c.MaxPresence, 1000)
	c.MaxConnsPerUser = cmp.Or(c.MaxConnsPerUser, 128)
	c.Rates = c.Rates.WithDefaults(DefaultRates, c.MaxRoomsPerConn)
	c.UserRates = c.UserRates.WithDefaults(DefaultUserRates, c.MaxRoomsPerConn)
	c.idleEvery = cmp.Or(c.idleEvery, idleEvery)
	c.unbound = c.Rates.Unlimited() && c.UserRates.Unlimited()
	c.Text = c.Text.WithDefaults()
	c.Refusals = c.Refusals.WithDefault(DefaultRefusals)
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
