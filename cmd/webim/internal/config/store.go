package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"webim/cmd/webim/internal/setting"
	"webim/room/engine"
	"webim/room/engine/jetstream"
)

// The engines: the values of StoreEngine. It stays engineAuto if there is no place for messages.
const (
	EngineMemory   = "memory"
	EngineEmbedded = "embedded"
	EngineNATS     = "nats"

	engineAuto = "auto" // see chooseEngine
)

// chooseEngine sets the engine and the folder of the store. If there is no place for messages, the engine
// stays auto: a server that loses everything must be asked for.
func (c *Config) chooseEngine(environ []string) {
	c.StoreEngine, c.StoreFolder = c.Engine, c.Data
	if c.StoreFolder == "" && (c.StoreEngine == EngineEmbedded || c.StoreEngine == engineAuto && !c.Dev && len(c.NATS) == 0) {
		c.StoreFolder, _, _ = strings.Cut(variable(environ, "STATE_DIRECTORY"), ":") // systemd may name several
	}
	if c.StoreEngine != engineAuto {
		return
	}
	switch {
	case len(c.NATS) > 0:
		c.StoreEngine = EngineNATS
	case c.StoreFolder != "":
		c.StoreEngine = EngineEmbedded
	case c.Dev:
		c.StoreEngine = EngineMemory
	}
}

// storeWarnings warns about settings of the store that its engine does not use.
func (c *Config) storeWarnings() (all []string) {
	for _, one := range []struct{ key, engine string }{
		{"data", EngineEmbedded}, {"max_store", EngineEmbedded}, {"sync", EngineEmbedded},
		{"nats", EngineNATS}, {"nats_creds", EngineNATS}, {"nats_ca", EngineNATS}, {"nats_cert", EngineNATS}, {"nats_key", EngineNATS}, {"nats_replicas", EngineNATS},
	} {
		s := Lookup(one.key, (*setting.Setting).Key)
		if c.StoreEngine != one.engine && s.Format(s.Field(&c.Settings)) != s.Def {
			all = append(all, fmt.Sprintf("%s has no effect, because the engine is %s", c.place(one.key), c.StoreEngine))
		}
	}
	return all
}

// CheckStore checks that there is a place for messages, and that the files for it can be read.
func (c *Config) CheckStore() error {
	switch {
	case c.StoreEngine == engineAuto:
		return Usagef("there is no place for messages: add --data DIR, which keeps them in a folder, or --engine memory, which loses them when webim ends.")
	case c.StoreEngine == EngineEmbedded && c.StoreFolder == "":
		return c.mistake("engine", " needs a folder: add {data DIR}.")
	case c.StoreEngine == EngineNATS && len(c.NATS) == 0:
		return c.mistake("engine", " needs the address of a server: add {nats URL}.")
	case c.StoreEngine != EngineNATS:
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
func (c *Config) isDurable() bool {
	return c.StoreEngine == EngineEmbedded || c.StoreEngine == EngineNATS
}

// A user, or all clients without a token at one address, may store a part of --max-store in a day in rooms that keep
// messages for longer than a day: so one user alone needs two months to fill the store. In a small store it is at least
// leastDaily.
const (
	dailyShare = 64
	leastDaily = 8 << 20
)

// JetStreamConfig returns the configuration that the engines on JetStream have in common, for serve, or for a command that
// opens the store for a moment.
func (c *Config) JetStreamConfig(command bool) jetstream.Config {
	patterns, usual := c.Patterns(), c.Retention()
	jc := jetstream.Config{
		Keep: func(room string) engine.Retention {
			if options := patterns.Options(room); options != nil {
				return options.History
			}
			return usual // a room that no pattern allows any more
		},
		MaxRecent: int64(c.HistoryTotal), Alone: command,
	}
	if !command && !c.Dev {
		jc.MaxDaily = max(c.MaxStore/dailyShare, leastDaily)
	}
	if !command {
		jc.Ages, jc.Classes = c.historyAges(), c.historyClasses()
	}
	return jc
}

// historyClasses returns a text that changes when rooms may have changed their history age.
func (c *Config) historyClasses() string {
	h := sha256.New()
	fmt.Fprintln(h, c.Retention().Age)
	for _, pattern := range c.Patterns() {
		fmt.Fprintf(h, "%q %v\n", pattern.Match, pattern.Options.History.Age)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// historyAges returns how long rooms keep their messages: each value once.
func (c *Config) historyAges() []time.Duration {
	all := []time.Duration{c.Retention().Age}
	for _, pattern := range c.Patterns() {
		all = append(all, pattern.Options.History.Age)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
