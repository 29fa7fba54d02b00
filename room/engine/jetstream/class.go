package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/subject"
)

// class is a retention class: all rooms whose publications are kept for the same time. The log of all
// its rooms is one stream.
type class struct {
	age    time.Duration // 0: for ever
	stream string        // ROOMS_300, or ROOMS_ever
	token  string        // in subjects: 300, or ever

	// incarnation is the part of the epoch that changes when the stream is made anew; nil: the stream was
	// not opened yet.
	incarnation atomic.Pointer[string]
	handle      jetstream.Stream // guarded by Engine.openMu
	renewed     bool             // the incarnation is not of the time before this process; guarded by Engine.openMu

	emptyMu   sync.Mutex // held while the server is asked
	emptySeen time.Time  // when the stream was found empty
	emptyLast uint64     // its last sequence then
}

func newClass(age time.Duration) *class {
	c := &class{age: age, token: "ever"}
	if age > 0 {
		c.token = strconv.FormatInt(int64(age/time.Second), 10)
	}
	c.stream = "ROOMS_" + c.token
	return c
}

// keyWindow returns how long the stream knows ids: the server does not take more than the age.
func (c *class) keyWindow(window time.Duration) time.Duration {
	if c.age > 0 {
		return min(window, c.age)
	}
	return window
}

// emptyFor is how long a node goes on without asking how far the sequences of an empty stream have come.
const emptyFor = time.Second

// emptyAt returns the last sequence of a stream that is empty.
func (c *class) emptyAt(e *Engine) (uint64, error) {
	c.emptyMu.Lock()
	defer c.emptyMu.Unlock()
	if now := e.now(); c.emptySeen.IsZero() || now.Sub(c.emptySeen) > emptyFor {
		s, err := e.js.Stream(e.ctx, c.stream)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
		}
		c.emptySeen, c.emptyLast = now, s.CachedInfo().State.LastSeq
	}
	return c.emptyLast, nil
}

// roundAge returns the age of the class that keeps publications for at least this long.
func roundAge(age time.Duration) time.Duration {
	if age <= 0 || age == engine.Forever {
		return 0
	}
	return max(time.Second, (age + time.Second - 1).Truncate(time.Second))
}

// subject is the subject of a room's publications, and live the one on which the server sends them to
// the nodes that have members.
func (c *class) subject(room string) string { return "room." + c.token + "." + subject.Token(room) }
func (c *class) live(room string) string    { return "live." + c.token + "." + subject.Token(room) }

// The metadata of a stream.
const (
	metaFormat      = "webim-format"      // the version of the stored format
	metaIncarnation = "webim-incarnation" // changes when sequences may come again with other messages
)

// format is the version of the stored format: the subjects, the headers and the envelope.
const format = 1

// ErrFormat: the store has a newer format than this program knows.
var ErrFormat = errors.New("jetstream: the store was written by a newer webim: use that one")

// openClass finds or makes the stream of a class, and reads its incarnation.
func (e *Engine) openClass(ctx context.Context, c *class) error {
	e.openMu.Lock()
	defer e.openMu.Unlock()
	s, incarnation, err := e.openStream(ctx, &c.renewed, jetstream.StreamConfig{
		Name:        c.stream,
		Description: "webim: the publications of rooms",
		Subjects:    []string{"room." + c.token + ".>"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxAge:      c.age,
		MaxBytes:    e.cfg.MaxStore,
		MaxMsgs:     -1,
		AllowDirect: true,
		Duplicates:  c.keyWindow(e.cfg.KeyWindow),
		RePublish:   &jetstream.RePublish{Source: "room." + c.token + ".>", Destination: "live." + c.token + ".>"},
	})
	if err != nil {
		return err
	}
	c.handle = s
	c.incarnation.Store(&incarnation)
	return nil
}

// stream returns the stream of a class that was opened.
func (e *Engine) stream(c *class) jetstream.Stream {
	e.openMu.Lock()
	defer e.openMu.Unlock()
	return c.handle
}

// openStream finds or makes a stream, and returns it with its incarnation. That is new after an unclean end of the
// machine, because the last messages may be lost then, and their sequences come again; renewed says that
// this was done. e.openMu is held.
func (e *Engine) openStream(ctx context.Context, renewed *bool, cfg jetstream.StreamConfig) (s jetstream.Stream, incarnation string, err error) {
	cfg.Replicas = e.cfg.Replicas
	cfg.Metadata = map[string]string{metaFormat: strconv.Itoa(format), metaIncarnation: newIncarnation()}
	s, err = e.js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if s, err = e.js.CreateStream(ctx, cfg); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = e.js.Stream(ctx, cfg.Name) // another node was first
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("jetstream: stream %s: %w", cfg.Name, err)
	}
	is := s.CachedInfo().Config.Metadata
	if v, err := strconv.Atoi(is[metaFormat]); err != nil || v > format {
		return nil, "", fmt.Errorf("%w: stream %s has format %q", ErrFormat, cfg.Name, is[metaFormat])
	}
	if incarnation = is[metaIncarnation]; incarnation == "" || e.cfg.Unclean && !*renewed {
		// Only the owner of an embedded store sets Unclean, so no other node does this at the same time.
		if s, err = e.js.UpdateStream(ctx, cfg); err != nil {
			return nil, "", fmt.Errorf("jetstream: stream %s: %w", cfg.Name, err)
		}
		incarnation = s.CachedInfo().Config.Metadata[metaIncarnation]
	}
	*renewed = true
	return s, incarnation, nil
}

func newIncarnation() string { return rand.Text()[:8] }

// class returns the retention class of a room.
func (e *Engine) class(room string) *class { return e.classOf(e.keep(room).Age) }

func (e *Engine) classOf(age time.Duration) *class {
	age = roundAge(age)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.classes[age]
	if c == nil {
		c = newClass(age)
		e.classes[age] = c
	}
	return c
}

// keep returns how much of a room's log is kept.
func (e *Engine) keep(room string) engine.Retention {
	if e.cfg.Keep == nil {
		return engine.Retention{Messages: 100, Bytes: 1 << 20, Age: 5 * time.Minute}
	}
	return e.cfg.Keep(room)
}
