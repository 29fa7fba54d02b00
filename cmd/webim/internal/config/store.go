package config

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"webim/cmd/webim/internal/setting"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/name"
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

// CheckStore checks that there is a place for messages, and that the files for it can be used.
func (c *Config) CheckStore() error {
	switch c.StoreEngine {
	case engineAuto:
		return Usagef("there is no place for messages: add --data DIR, which keeps them in a folder, or --engine memory, which loses them when webim ends.")
	case EngineEmbedded:
		return c.checkFolder()
	case EngineNATS:
		if err := c.checkServers(); err != nil {
			return err
		}
		return c.checkNATSFiles()
	}
	return nil
}

// checkFolder checks the folder of the embedded store. It may not exist yet.
func (c *Config) checkFolder() error {
	if c.StoreFolder == "" {
		return c.mistake("engine", " needs a folder: add {data DIR}.")
	}
	if info, err := os.Stat(c.StoreFolder); err == nil && !info.IsDir() {
		return c.mistake("data", ": %s is a file: write the name of a folder.", c.StoreFolder)
	}
	return nil
}

// checkServers checks the addresses of the NATS servers.
func (c *Config) checkServers() error {
	if len(c.NATS) == 0 {
		return c.mistake("engine", " needs the address of a server: add {nats URL}.")
	}
	for i, text := range c.NATS {
		switch {
		case strings.Contains(text, "@"): // the error shows no password
			return c.mistake("nats", ": an address with a user or a password would be shown in logs: write nats://host:4222, and add {nats_creds FILE}.")
		case !isServer(text):
			return c.mistake("nats", ": %q is not the address of a NATS server: write it as nats://host:4222 or tls://host:4222.", text)
		case slices.Contains(c.NATS[:i], text):
			return c.mistake("nats", ": %s appears twice: remove one.", text)
		}
	}
	return nil
}

// isServer reports whether text is the address of a NATS server.
func isServer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "nats" || u.Scheme == "tls") && u.Hostname() != "" && hasValidPort(u) && text == u.Scheme+"://"+u.Host
}

// checkNATSFiles checks the files with which webim and the NATS servers prove who they are.
func (c *Config) checkNATSFiles() error {
	switch {
	case c.NATSCert != "" && c.NATSKey == "":
		return c.mistake("nats_cert", " is given without a key: add {nats_key FILE}.")
	case c.NATSKey != "" && c.NATSCert == "":
		return c.mistake("nats_key", " is given without a certificate: add {nats_cert FILE}.")
	}
	for _, file := range []struct {
		key, name string
		use       func([]byte) error
	}{{"nats_creds", c.NATSCreds, useCredentials}, {"nats_ca", c.NATSCA, useAuthorities}} {
		if file.name == "" {
			continue
		}
		b, err := os.ReadFile(file.name)
		if err == nil {
			err = file.use(b)
		}
		if err != nil {
			return c.mistake(file.key, ": the file cannot be used: %v.", err)
		}
	}
	if c.NATSCert != "" {
		if _, err := tls.LoadX509KeyPair(c.NATSCert, c.NATSKey); err != nil {
			return c.mistake("nats_cert", ": the certificate cannot be used: %v.", err)
		}
	}
	return nil
}

// useCredentials checks that a .creds file has the key of a user.
func useCredentials(b []byte) error {
	_, err := nkeys.ParseDecoratedUserNKey(b)
	return err
}

// useAuthorities checks that a file has certificates.
func useAuthorities(b []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(b) {
		return errors.New("it has no certificate in PEM")
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
	keepOf := c.Keep()
	jc := jetstream.Config{
		Keep: func(room string) engine.Retention {
			keep := keepOf(room)
			keep.Age = storedAge(keep)
			return keep
		},
		MaxRecent: int64(c.HistoryTotal), MaxKeys: c.MaxKeys, Alone: command,
	}
	if !command && !c.Dev {
		jc.MaxDaily = max(c.MaxStore/dailyShare, leastDaily)
	}
	if !command {
		jc.Ages, jc.Classes = c.storedAges(), c.fingerprint()
	}
	return jc
}

// passing is how long the store keeps the messages of rooms that have no history: for nodes that have missed one, and so that none is
// stored twice.
const passing = 5 * time.Minute

// storedAge returns how long the store keeps the messages of a room.
func storedAge(keep engine.Retention) time.Duration {
	if keep.Messages == 0 {
		return passing
	}
	return keep.Age
}

// fingerprint returns a text that changes when rooms may have changed their age in the store. Patterns that decide nothing about it
// are left out.
func (c *Config) fingerprint() string {
	usual := storedAge(c.Retention())
	type row struct {
		match string
		age   time.Duration
	}
	var rows []row
	for _, pattern := range slices.Backward(c.Patterns()) {
		age := storedAge(pattern.Options.History)
		rest := slices.IndexFunc(rows, func(r row) bool { return r.age != age && name.Overlap(r.match, pattern.Match) })
		if rest < 0 && age == usual {
			continue // without it, its rooms have the same age
		}
		rows = append(rows, row{pattern.Match, age})
	}
	h := sha256.New()
	fmt.Fprintln(h, usual)
	for _, r := range rows {
		fmt.Fprintf(h, "%q %v\n", r.match, r.age)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// openedWith returns the fingerprint with which the store was opened.
func (c *Config) openedWith() string { return cmp.Or(c.ages, c.fingerprint()) }

// storedAges returns how long the store keeps messages of rooms: each value once.
func (c *Config) storedAges() []time.Duration {
	all := []time.Duration{storedAge(c.Retention())}
	for _, pattern := range c.Patterns() {
		all = append(all, storedAge(pattern.Options.History))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
