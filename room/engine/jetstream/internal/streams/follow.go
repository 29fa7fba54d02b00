package streams

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// A setting is one that may change in the life of a stream.
type setting struct {
	name string
	is   func(*jetstream.StreamConfig) int64
	set  func(c, want *jetstream.StreamConfig)
}

// settings are all of them. The others belong to the stored format.
var settings = []setting{
	{"replicas", func(c *jetstream.StreamConfig) int64 { return int64(c.Replicas) }, func(c, want *jetstream.StreamConfig) { c.Replicas = want.Replicas }},
	{"max_bytes", func(c *jetstream.StreamConfig) int64 { return limit(c.MaxBytes) }, func(c, want *jetstream.StreamConfig) { c.MaxBytes = limit(want.MaxBytes) }},
	{"max_msgs", func(c *jetstream.StreamConfig) int64 { return limit(c.MaxMsgs) }, func(c, want *jetstream.StreamConfig) { c.MaxMsgs = limit(want.MaxMsgs) }},
	{"max_msgs_per_subject", func(c *jetstream.StreamConfig) int64 { return limit(c.MaxMsgsPerSubject) }, func(c, want *jetstream.StreamConfig) { c.MaxMsgsPerSubject = limit(want.MaxMsgsPerSubject) }},
	{"key_window", func(c *jetstream.StreamConfig) int64 { return int64(c.Duplicates) }, func(c, want *jetstream.StreamConfig) { c.Duplicates = want.Duplicates }},
}

// limit returns a limit of bytes as the server stores it: -1 is none.
func limit(bytes int64) int64 {
	if bytes <= 0 {
		return -1
	}
	return bytes
}

// errLess: the stream has more bytes than the new limit. Nothing could be stored until messages are too old.
var errLess = errors.New("streams: more bytes are stored than the new limit")

// follow brings a stream to the settings, one after the other: the server may refuse one of them.
func (o *Opener) follow(ctx context.Context, s jetstream.Stream, want jetstream.StreamConfig) jetstream.Stream {
	for _, one := range settings {
		info := s.CachedInfo()
		is, should := one.is(&info.Config), one.is(&want)
		if is == should || one.name == "key_window" && should == 0 { // then the server has chosen it
			continue
		}
		log := o.Log.With("stream", want.Name, "setting", one.name, "is", is, "wanted", should)
		var changed jetstream.Stream
		err := errLess
		if one.name != "max_bytes" || should < 0 || info.State.Bytes < uint64(should) {
			changed, err = o.change(ctx, s, func(c *jetstream.StreamConfig) { one.set(c, &want) })
		}
		if err != nil {
			log.Warn("a changed setting cannot be given to the store, which keeps the old one", "err", err)
			continue
		}
		log.Info("a changed setting was given to the store")
		s = changed
	}
	return s
}
