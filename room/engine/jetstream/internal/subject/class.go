package subject

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A Class is a retention class: all rooms whose publications are kept for the same time. The log of all its rooms is
// one stream.
type Class struct {
	Age    time.Duration // 0: for ever
	Stream string        // ROOMS_300, or ROOMS_ever
	Token  string        // in subjects: 300, or ever
}

// StreamPrefix begins the names of the streams of classes. The token of the class follows.
const StreamPrefix = "ROOMS_"

const ever = "ever"

// ClassOf returns the class that keeps publications for at least this long.
func ClassOf(age time.Duration) Class {
	c := Class{Age: round(age), Token: ever}
	if c.Age > 0 {
		c.Token = strconv.FormatInt(int64(c.Age/time.Second), 10)
	}
	c.Stream = StreamPrefix + c.Token
	return c
}

// round returns an age in full seconds; 0: for ever.
func round(age time.Duration) time.Duration {
	if age <= 0 || age == math.MaxInt64 {
		return 0
	}
	return max(time.Second, (age + time.Second - 1).Truncate(time.Second))
}

// ClassWith returns the class with a token. It reports false if there can be none.
func ClassWith(token string) (c Class, ok bool) {
	if token == ever {
		return ClassOf(0), true
	}
	seconds, err := strconv.ParseInt(token, 10, 64)
	if err != nil || seconds <= 0 || seconds > int64(math.MaxInt64/time.Second)-1 {
		return c, false
	}
	return ClassOf(time.Duration(seconds) * time.Second), true
}

// ClassOfStream returns the class whose publications a stream has. It reports false if it is no such stream.
func ClassOfStream(name string) (c Class, ok bool) {
	token, ok := strings.CutPrefix(name, StreamPrefix)
	if !ok {
		return c, false
	}
	return ClassWith(token)
}

// Prefix begins the subjects of the publications of all rooms.
func (c Class) Prefix() string { return "room." + c.Token + "." }

// Markers are those of the stream.
func (c Class) Markers() Markers { return Markers{Prefix: c.Prefix()} }

// Rooms are the subjects of the publications of all rooms, and LiveRooms those on which the server sends them to the
// nodes that have members.
func (c Class) Rooms() string     { return "room." + c.Token + ".>" }
func (c Class) LiveRooms() string { return "live." + c.Token + ".>" }

// Room is the subject of a room's publications, and Live the one on which the server sends them.
func (c Class) Room(room string) string { return "room." + c.Token + "." + Token(room) }
func (c Class) Live(room string) string { return "live." + c.Token + "." + Token(room) }
