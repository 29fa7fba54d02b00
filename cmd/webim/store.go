package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/memory"
)

// The engines.
const (
	engineAuto     = "auto" // see chooseEngine
	engineMemory   = "memory"
	engineEmbedded = "embedded"
	engineNATS     = "nats"
)

// chooseEngine sets the engine and the folder of the store. If there is no place for messages, the engine
// stays auto: a server that loses everything must be asked for.
func (c *config) chooseEngine(environ []string) {
	c.engine, c.folder = c.Engine, c.Data
	if c.folder == "" && (c.engine == engineEmbedded || c.engine == engineAuto && !c.Dev && len(c.NATS) == 0) {
		c.folder, _, _ = strings.Cut(variable(environ, "STATE_DIRECTORY"), ":") // systemd may name several
	}
	if c.engine != engineAuto {
		return
	}
	switch {
	case len(c.NATS) > 0:
		c.engine = engineNATS
	case c.folder != "":
		c.engine = engineEmbedded
	case c.Dev:
		c.engine = engineMemory
	}
}

// storeWarnings warns about settings of the store that its engine does not use.
func (c *config) storeWarnings() (all []string) {
	for _, one := range []struct{ key, engine string }{
		{"data", engineEmbedded}, {"max_store", engineEmbedded}, {"sync", engineEmbedded},
		{"nats", engineNATS}, {"nats_creds", engineNATS}, {"nats_ca", engineNATS}, {"nats_cert", engineNATS}, {"nats_key", engineNATS}, {"nats_replicas", engineNATS},
	} {
		s := lookup(one.key, (*setting).key)
		if c.engine != one.engine && s.format(s.field(&c.settings)) != s.def {
			all = append(all, fmt.Sprintf("%s has no effect, because the engine is %s", c.place(one.key), c.engine))
		}
	}
	return all
}

// checkStore checks that there is a place for messages, and that the files for it can be read.
func (c *config) checkStore() error {
	switch {
	case c.engine == engineAuto:
		return usagef("there is no place for messages: add --data DIR, which keeps them in a folder, or --engine memory, which loses them when webim ends.")
	case c.engine == engineEmbedded && c.folder == "":
		return c.mistake("engine", " needs a folder: add {data DIR}.")
	case c.engine == engineNATS && len(c.NATS) == 0:
		return c.mistake("engine", " needs the address of a server: add {nats URL}.")
	case c.engine != engineNATS:
		return nil
	case c.NATSCert != "" && c.NATSKey == "":
		return c.mistake("nats_cert", " is given without a key: add {nats_key FILE}.")
	case c.NATSKey != "" && c.NATSCert == "":
		return c.mistake("nats_key", " is given without a certificate: add {nats_cert FILE}.")
	}
	for _, file := range []struct{ key, name string }{{"nats_creds", c.NATSCreds}, {"nats_ca", c.NATSCA}, {"nats_cert", c.NATSCert}, {"nats_key", c.NATSKey}} {
		if file.name == "" {
			continue
		}
		if _, err := os.ReadFile(file.name); err != nil {
			return c.mistake(file.key, ": the file cannot be read: %v.", err)
		}
	}
	return nil
}

// isDurable reports whether messages outlive the process.
func (c *config) isDurable() bool { return c.engine == engineEmbedded || c.engine == engineNATS }

// openEngine opens the engine.
func (p *program) openEngine() (engine.Engine, error) {
	switch p.cfg.engine {
	case engineEmbedded:
		return p.openEmbedded()
	case engineNATS:
		return p.openNATS()
	}
	p.log.Info("the engine is memory: messages, members of rooms, bans and the rest are lost when webim ends")
	return memory.New(p.cfg.memoryLimits()), nil
}

// openEmbedded opens the store in the folder.
func (p *program) openEmbedded() (engine.Engine, error) {
	c := p.cfg
	ec := embedded.Config{Dir: c.folder, MaxStore: int64(c.MaxStore), Log: p.log}
	if ec.Always = c.Sync == always; !ec.Always {
		ec.Interval = c.Sync
	}
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
	jc.Connect, jc.Unclean = store.Connect, store.Unclean()
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
	p.log.Info("the store is open", "engine", engineEmbedded, "folder", c.folder, "took", time.Since(began).Round(time.Millisecond), "machine_ended_uncleanly", jc.Unclean)
	return e, nil
}

// openNATS connects to a cluster.
func (p *program) openNATS() (engine.Engine, error) {
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
	if err != nil {
		return nil, err
	}
	p.log.Info("the store is open", "engine", engineNATS, "servers", c.NATS, "replicas", c.NATSReplicas)
	return e, nil
}

// storeTimeout limits the time until the store has answered at the start.
const storeTimeout = 30 * time.Second

func (p *program) openJetStream(jc jetstream.Config) (engine.Engine, error) {
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
	return e, nil
}

// jetstreamConfig returns what the engines on JetStream have in common.
func (p *program) jetstreamConfig() jetstream.Config {
	patterns := p.cfg.patterns()
	return jetstream.Config{
		Keep: func(room string) engine.Retention { return patterns.Options(room).History },
		Ages: p.cfg.historyAges(), MaxRecent: int64(p.cfg.HistoryTotal), Log: p.log,
	}
}

// historyAges returns how long rooms keep their messages: each value once.
func (c *config) historyAges() []time.Duration {
	all := []time.Duration{c.retention().Age}
	for _, pattern := range c.patterns() {
		all = append(all, pattern.Options.History.Age)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
