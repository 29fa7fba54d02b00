package config

import (
	"time"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/version"
	"webim/room"
	"webim/room/chat"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/rpc"
)

// sessionPings returns the ping interval and the pong timeout of the Centrifuge dialect. Its pongs do not
// say which ping they answer, so the timeout is shorter than the interval.
func (c *Config) sessionPings() (interval, timeout time.Duration) {
	if c.PingInterval < 0 {
		return -1, -1
	}
	interval = max(c.PingInterval, 100*time.Millisecond)
	return interval, min(c.PongTimeout, interval*4/5)
}

// RoomConfig returns the configuration for package room.
func (c *Config) RoomConfig() room.Config {
	interval, timeout := c.sessionPings()
	return room.Config{
		PingInterval: interval, PongTimeout: timeout,
		MaxRooms: c.MaxRooms, MaxPublication: c.maxPublication(), MaxIncoming: c.MaxMessage, MaxMembers: c.MaxMembers, MaxUnswept: c.MaxUnswept, MaxPause: c.MaxPause,
		MaxConnsPerUser: c.MaxConnsPerUser, MaxRoomsPerConn: c.MaxRoomsPerConn, MaxCommands: c.MaxCommands, MaxCalls: c.MaxCalls, MaxPresence: c.MaxPresence,
		Rates: policy.Rates{Join: c.RateJoin, Send: c.RateSend, Typing: c.RateTyping, Read: c.RateRead, RPC: c.RateRPC,
			Other: c.RateOther, Input: c.RateInput, Fanout: c.RateFanout, Recovered: c.RateRecovered},
		UserRates: policy.Rates{Join: c.UserRateJoin, Send: c.UserRateSend, Typing: c.UserRateTyping, Read: c.UserRateRead, RPC: c.UserRateRPC,
			Other: c.UserRateOther, Input: c.UserRateInput, Fanout: c.UserRateFanout, Recovered: c.UserRateRecovered},
		MaxReply: c.MaxReply, MaxReplies: int64(c.MaxReplies),
		Refusals:  c.MaxRefusals,
		Anonymous: c.anonymous(), Version: "webim " + version.Release,
		Calls: rpc.Calls{Caller: chat.New()}, FollowUp: chat.FollowUp, Personal: c.Personal,
		Text:    policy.TextLimits{Bytes: c.MaxText, Graphemes: c.MaxGraphemes},
		Options: c.Patterns().Options,
	}
}

// MemoryLimits returns the limits of the memory engine.
func (c *Config) MemoryLimits() memory.Limits {
	return memory.Limits{MaxMessages: c.HistoryMessages, MaxBytes: c.HistoryBytes, MaxAge: roomsfile.Age(c.HistoryAge), MaxTotal: int64(c.HistoryTotal), MaxKeys: c.MaxKeys}
}

// Patterns returns the configured patterns, and after them the built-in patterns for rooms that
// are private by their names.
func (c *Config) Patterns() policy.Patterns {
	return append(c.namedPatterns(), privatePatterns(c.Retention())...)
}

// namedPatterns returns the patterns of the file. With --open a pattern for all other rooms
// follows, which with --dev offers everything that an SDK may ask for.
func (c *Config) namedPatterns() (ps policy.Patterns) {
	for i := range c.Rooms {
		ps = append(ps, c.Rooms[i].Pattern(c.HistoryAge))
	}
	if !c.Open {
		return ps
	}
	rest := policy.Options{History: c.Retention(), Rights: policy.OpenRights()}
	if c.Dev {
		rest.Recoverable, rest.Recover, rest.Presence, rest.Notices = true, true, true, true
	}
	return append(ps, policy.Pattern{Match: "*", Options: rest})
}

// Keep returns the function that tells how much of its log a room keeps.
func (c *Config) Keep() func(room string) engine.Retention {
	patterns, usual := c.Patterns(), c.Retention()
	return func(room string) engine.Retention {
		if options := patterns.Options(room); options != nil {
			return options.History
		}
		return usual // a room that no pattern allows any more
	}
}

// Retention returns the retention of histories that the flags set.
func (c *Config) Retention() engine.Retention {
	return engine.Retention{Messages: max(0, c.HistoryMessages), Bytes: c.HistoryBytes, Age: roomsfile.Age(c.HistoryAge)}
}

// Patterns for the names of direct rooms, personal rooms, and rooms with a roster: see package
// room. A comma in a user's name is escaped there.
const (
	directRooms   = "#*,*"
	personalRooms = "#*"
	rosterRooms   = "$*"
)

// privatePatterns returns the rules for rooms that are private by their names. The name or the
// roster decides about membership, so members may talk, and the owner of a personal room
// receives the messages of the server. Guests have a personal room, too.
func privatePatterns(history engine.Retention) policy.Patterns {
	kept := history.Messages > 0
	o := policy.Options{History: history, Recoverable: kept, Recover: kept, Presence: true}
	talk := o
	for a := range policy.Talk {
		talk.Rights[a] = policy.RoleUser | policy.RoleMember
	}
	talk.Rights[policy.ActJoin], talk.Rights[policy.ActRead] = policy.RoleUser, policy.RoleUser
	own := o
	for _, a := range []policy.Action{policy.ActJoin, policy.ActRead, policy.ActHistory} {
		own.Rights[a] = policy.RoleAnonymous
	}
	return policy.Patterns{{Match: directRooms, Options: talk}, {Match: personalRooms, Options: own}, {Match: rosterRooms, Options: talk}}
}

// anonymous reports whether clients without a token are accepted: only if some room permits
// them something. A personal room alone does not count.
func (c *Config) anonymous() bool { return c.namedPatterns().Allow(policy.RoleAnonymous) }
