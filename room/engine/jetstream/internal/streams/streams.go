package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/format"
)

// Format is the version of the stored format that this program writes.
const Format = 1

// strict is a version with the same bytes as Format. A stream gets it when something comes that webim 0.1.0, which refuses it, would not handle: see
// RefuseOlder.
const strict = 2

const (
	metaFormat      = "webim-format"
	metaIncarnation = "webim-incarnation"
)

// ErrForeign: a stream has the name of one of webim's, and was not made by webim.
var ErrForeign = errors.New("streams: the stream was not made by webim: delete or rename it, or use another NATS account")

// Opener opens streams.
type Opener struct {
	JS  jetstream.JetStream
	Log *slog.Logger
	// Replicas of each stream; at least 1.
	Replicas int
	// Fixed leaves the settings of streams that are there as they are.
	Fixed bool
	// Unclean says that the machine ended without stopping the store, so streams may lack their last messages: see
	// OpenKnown.
	Unclean bool
	// Sync, if not nil, writes a stream to the disk. It is called after a stream was made, or its settings or notes
	// were changed: a server does not do so by itself.
	Sync func(stream string) error
	// Sole is that of logread.Config: then Names only asks for the error.
	Sole func() error

	// Seams for tests.
	undone time.Duration // 0: the constant
	format int
	steps  func(stream string) format.Steps
}

// ErrNoLeader: a stream has no leader now, so the server that has answered for it may be behind.
var ErrNoLeader = errors.New("streams: the stream has no leader now")

// ErrStale: the server that tells the configuration of a stream is behind, or another node has changed it meanwhile.
var ErrStale = errors.New("streams: the configuration of the stream is not the current one")

// Find returns a stream, as its leader tells it. While a stream has no leader, any replica answers, also one that is behind: that is
// ErrNoLeader.
func (o *Opener) Find(ctx context.Context, name string) (jetstream.Stream, error) {
	s, err := o.JS.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if cluster := s.CachedInfo().Cluster; cluster != nil && cluster.Leader == "" {
		return nil, ErrNoLeader
	}
	return s, nil
}

// Open finds or makes a stream with these settings. want has no metadata.
func (o *Opener) Open(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	return o.open(ctx, want, func(jetstream.Stream) error { return nil })
}

// open is Open of a stream that passes a check, before anything of it is changed.
func (o *Opener) open(ctx context.Context, want jetstream.StreamConfig, check func(jetstream.Stream) error) (jetstream.Stream, error) {
	want.Replicas = o.Replicas
	want.Metadata = map[string]string{metaFormat: strconv.Itoa(o.current()), metaIncarnation: newIncarnation()}
	s, err := o.Find(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		switch s, err = o.JS.CreateStream(ctx, want); {
		case errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
			s, err = o.Find(ctx, want.Name) // another node was first
		case err == nil:
			err = o.sync(want.Name)
		}
	}
	if err == nil {
		err = check(s)
	}
	if err == nil {
		s, err = o.upgrade(ctx, s)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	if o.Fixed {
		return s, nil
	}
	return o.follow(ctx, s, want), nil
}

func (o *Opener) current() int { return max(Format, o.format) }

// upgrade migrates a stream to the current format. There is only one so far, so there are no steps.
func (o *Opener) upgrade(ctx context.Context, s jetstream.Stream) (jetstream.Stream, error) {
	is, err := strconv.Atoi(s.CachedInfo().Config.Metadata[metaFormat])
	if err != nil || is < 1 {
		return nil, ErrForeign
	}
	var steps format.Steps
	if o.steps != nil {
		steps = o.steps(s.CachedInfo().Config.Name)
	}
	return s, format.Upgrade(is, max(o.current(), min(is, strict)), steps, func(version int) (err error) {
		s, err = o.change(ctx, s, func(c *jetstream.StreamConfig) { c.Metadata[metaFormat] = strconv.Itoa(version) })
		return err
	})
}

// change changes the configuration of a stream, as it is now: another node may have changed it since s was opened. The server only takes
// whole configurations, and does not compare them, so of two changes at the same time one may undo the other. Of the incarnation, change
// makes that as unlikely as it can: it changes nothing if the stream does not have the incarnation that it had when s was opened, and
// returns ErrStale if the stream does not have the change afterwards. A node whose renewal is undone later notices it: see Known. A setting
// that is undone, each node gives to the stream again when it opens that the next time.
func (o *Opener) change(ctx context.Context, s jetstream.Stream, f func(*jetstream.StreamConfig)) (jetstream.Stream, error) {
	name := s.CachedInfo().Config.Name
	is, err := o.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	if Incarnation(is) != Incarnation(s) {
		return nil, ErrStale
	}
	if _, err = o.JS.UpdateStream(ctx, changed(is, f)); err != nil {
		return nil, err
	}
	if err = o.sync(name); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, openTry)
	defer cancel()
	// A change of the replicas may leave the stream without a leader for a moment.
	err = UntilReady(limited, func(ctx context.Context) (err error) {
		is, err = o.Find(ctx, name)
		return err
	})
	if err == nil && !reflect.DeepEqual(changed(is, f), is.CachedInfo().Config) {
		err = ErrStale
	}
	return is, err
}

// changed returns the configuration of a stream with a change. If the stream has it, nothing is different.
func changed(s jetstream.Stream, f func(*jetstream.StreamConfig)) jetstream.StreamConfig {
	c := s.CachedInfo().Config
	c.Metadata = maps.Clone(c.Metadata)
	f(&c)
	return c
}

func (o *Opener) sync(stream string) error {
	if o.Sync == nil {
		return nil
	}
	return o.Sync(stream)
}

// RefuseOlder makes webim 0.1.0 refuse a stream whenever it opens that: when it starts, and the State and the logs also when it has lost its
// connection. Until then both may use the stream.
func (o *Opener) RefuseOlder(ctx context.Context, stream string) error {
	s, err := o.Find(ctx, stream)
	if err == nil && s.CachedInfo().Config.Metadata[metaFormat] == strconv.Itoa(Format) {
		_, err = o.change(ctx, s, func(c *jetstream.StreamConfig) { c.Metadata[metaFormat] = strconv.Itoa(strict) })
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	return nil
}

// Renew gives a stream a new incarnation, and returns it.
func (o *Opener) Renew(ctx context.Context, s jetstream.Stream) (jetstream.Stream, error) {
	name := s.CachedInfo().Config.Name
	incarnation := newIncarnation()
	s, err := o.change(ctx, s, func(c *jetstream.StreamConfig) { c.Metadata[metaIncarnation] = incarnation })
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return s, nil
}

// Incarnation returns the incarnation of a stream; "" if it has none.
func Incarnation(s jetstream.Stream) string { return s.CachedInfo().Config.Metadata[metaIncarnation] }

func newIncarnation() string { return rand.Text()[:8] }

// Note returns a text that webim has noted at a stream.
func Note(s jetstream.Stream, name string) string { return s.CachedInfo().Config.Metadata[name] }

// SetNote notes a text at a stream.
func (o *Opener) SetNote(ctx context.Context, s jetstream.Stream, name, text string) error {
	_, err := o.change(ctx, s, func(c *jetstream.StreamConfig) { c.Metadata[name] = text })
	return err
}
