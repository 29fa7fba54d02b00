package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/streams"
)

// A server that answers no ping for some intervals, or takes no bytes for maxWrite, is lost: until then messages
// that are sent to it get engine.ErrUnknown. The library would wait for minutes.
const (
	pingInterval = 2 * time.Second
	maxPings     = 3
	maxWrite     = 5 * time.Second
)

// minServer is the oldest server that this engine works with.
const minServer = "2.12.0"

// newEnough reports whether a server's version is minServer or newer.
func newEnough(version string) bool {
	var is, least [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &is[0], &is[1], &is[2]); err != nil {
		return false
	}
	fmt.Sscanf(minServer, "%d.%d.%d", &least[0], &least[1], &least[2])
	return slices.Compare(is[:], least[:]) >= 0
}

// minPayload is the least size of a message that the server must take: one of 1 MiB in its envelope.
const minPayload = 1<<20 + 64<<10

// connect connects to the server, checks that this engine can work with it, and makes the parts that read from it.
func (e *Engine) connect() (err error) {
	e.nc, err = e.cfg.Connect(nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.RetryOnFailedConnect(false),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings), nats.FlusherTimeout(maxWrite),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { e.lost(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { e.reopen(); e.wakeState() }),
		nats.ErrorHandler(e.onError))
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if v := e.nc.ConnectedServerVersion(); !newEnough(v) {
		return fmt.Errorf("jetstream: the NATS server has version %s: webim needs %s or newer", v, minServer)
	}
	if e.nc.MaxPayload() < minPayload {
		return fmt.Errorf("jetstream: the NATS server takes messages of up to %d bytes: set its max_payload to %d or more", e.nc.MaxPayload(), minPayload)
	}
	if e.js, err = jetstream.New(e.nc); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.streams = &streams.Opener{JS: e.js, Log: e.log, Replicas: e.cfg.Replicas, Fixed: e.cfg.Alone, Unclean: e.cfg.Unclean, Sync: e.cfg.SyncStream, Sole: e.sole()}
	e.read = logread.New(e.nc, logread.Config{Empty: e.cfg.empty, Sole: e.sole()})
	e.stateLeader = logread.New(e.nc, logread.Config{Timeout: proofTimeout}).Leader() // it waits behind no other read
	return nil
}

// lost is called when the connection is lost.
func (e *Engine) lost(err error) {
	if e.ctx.Err() != nil || !e.made.Load() {
		return // Close was called, or Open fails by itself
	}
	e.isLost.Store(true)
	e.setDown(connectionLost)
	if !e.moving.suspended.Load() {
		e.log.Warn("the connection to NATS is lost: members stay connected, and nothing can be sent", "err", err)
	}
	e.acks.Lost()
	e.cluster.Lost()
	e.state.Lost()
}

// sole is that of logread.Config.
func (e *Engine) sole() func() error {
	switch {
	case !e.cfg.Sole:
		return nil
	case e.cfg.Err == nil:
		return func() error { return nil }
	}
	return e.cfg.Err
}

// Health implements engine.Healther.
func (e *Engine) Health() (ok bool, why string) {
	if e.cfg.Err != nil {
		if err := e.cfg.Err(); err != nil {
			return false, err.Error()
		}
	}
	if down := e.down.Load(); down != nil {
		return false, *down
	}
	if e.StateIsOld() {
		return false, "this node's copy of the state is old, so nobody is admitted"
	}
	return true, ""
}

// Stats implements engine.Measured. Topics are the rooms with members on this node, and Bytes is the
// size of their recent publications.
func (e *Engine) Stats() engine.Stats {
	return engine.Stats{Topics: e.topics.count(), Bytes: e.recent.Used(), State: e.state.Size(), Pending: e.unacknowledged.Used(), KeysLost: e.unsavedKeys.Load()}
}

// onError is called by the library. If it had to drop messages, their topic looks for them.
func (e *Engine) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if e.moving.suspended.Load() {
		return // everything is read again when the store is open again
	}
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		if t := e.topics.live(sub.Subject); t != nil {
			e.jobs.Go(t.check)
		}
	}
	e.failed("NATS reports an error", "", err)
}
