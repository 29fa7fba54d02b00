package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"webim/cmd/webim/internal/clock"
	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/setting"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/memory"
)

// openEngine opens the engine.
func (p *program) openEngine() (engine.Engine, error) {
	switch p.cfg.StoreEngine {
	case config.EngineEmbedded:
		return p.openEmbedded()
	case config.EngineNATS:
		return p.openNATS()
	}
	p.log.Info("the engine is memory: messages, members of rooms, bans and the rest are lost when webim ends")
	return memory.New(p.cfg.MemoryLimits()), nil
}

// openEmbedded opens the store in the folder.
func (p *program) openEmbedded() (*jetstream.Engine, error) {
	c := p.cfg
	ec := embedded.Config{Dir: c.StoreFolder, MaxStore: int64(c.MaxStore), Log: p.log}
	if ec.Always = c.Sync == setting.Always; !ec.Always {
		ec.Interval = c.Sync
	}
	ec.Lock = p.inheritLock()
	began := time.Now()
	store, err := embedded.Start(ec)
	if err != nil {
		return nil, err
	}
	p.onClose(func() {
		if err := store.Close(); err != nil {
			p.log.Error("the store cannot be closed", "err", err)
		}
	})
	jc := p.jetstreamConfig()
	jc.Connect, jc.Unclean, jc.Full, jc.Err = store.Connect, store.Unclean(), store.Full, store.Err
	jc.SyncStream, jc.Sole, jc.Store = store.SyncStream, true, store
	p.store = store
	if ec.Always {
		jc.Commit = store.Commit
	}
	e, err := p.openJetStream(jc)
	if err != nil {
		return nil, err
	}
	if err := store.Recovered(); err != nil {
		return nil, err
	}
	p.log.Info("the store is open", "engine", config.EngineEmbedded, "folder", c.StoreFolder, "took", time.Since(began).Round(time.Millisecond), "machine_ended_uncleanly", jc.Unclean)
	return e, nil
}

// openNATS connects to a cluster.
func (p *program) openNATS() (*jetstream.Engine, error) {
	c := p.cfg
	opts := []nats.Option{nats.Name("webim")}
	if c.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(c.NATSCreds))
	}
	if c.NATSCA != "" {
		opts = append(opts, nats.RootCAs(c.NATSCA))
	}
	if c.NATSCert != "" {
		opts = append(opts, nats.ClientCert(c.NATSCert, c.NATSKey))
	}
	jc := p.jetstreamConfig()
	jc.Replicas = c.NATSReplicas
	jc.Connect = func(more ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(strings.Join(c.NATS, ","), append(opts, more...)...)
	}
	e, err := p.openJetStream(jc)
	switch {
	case errors.Is(err, nats.ErrNoServers):
		return nil, fmt.Errorf("no NATS server can be reached at %s", strings.Join(c.NATS, ", "))
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("the NATS server at %s has no JetStream: turn it on in its configuration", strings.Join(c.NATS, ", "))
	case err != nil:
		return nil, err
	}
	p.log.Info("the store is open", "engine", config.EngineNATS, "servers", c.NATS, "replicas", c.NATSReplicas)
	return e, nil
}

// storeTimeout limits the time until the store has answered at the start.
const storeTimeout = 30 * time.Second

func (p *program) openJetStream(jc jetstream.Config) (*jetstream.Engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	e, err := jetstream.Open(ctx, jc)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("the store does not answer: %w", err)
	case err != nil:
		return nil, err
	}
	p.onClose(e.Close)
	p.opened = jc
	return e, nil
}

// jetstreamConfig returns the configuration that the engines on JetStream have in common.
func (p *program) jetstreamConfig() jetstream.Config {
	jc := p.cfg.JetStreamConfig(p.use != byServe)
	opened := jc.Keep
	jc.Keep = func(name string) engine.Retention {
		keep := p.live.Load().keep(name)
		keep.Age = opened(name).Age // a reload changes no ages in the store
		return keep
	}
	jc.Log, jc.Now, jc.Held = p.log, clock.Now(), p.from.takingOver()
	return jc
}
