package attack

import (
	"slices"
	"strings"
	"time"

	"webim/bench/client"
	"webim/bench/option"
)

// Attack is a named attack.
type Attack struct {
	Name string
	What string // in one sentence

	centrifuge bool   // needs the Centrifuge dialect
	prepare    func() // work that must not take CPU during the attack; may be nil
	run        func(a *attacker)
}

// All returns the attacks that exist for a dialect, in the order of reports.
func All(dialect string) []Attack {
	all := slices.Concat(handshakeAttacks(), frameAttacks(), bombAttacks(), readerAttacks(), commandAttacks())
	return slices.DeleteFunc(all, func(a Attack) bool { return a.centrifuge && dialect != client.Centrifuge })
}

// find returns the attacks with these names, or all attacks if there are no names.
func find(names []string, dialect string) ([]Attack, error) {
	all := All(dialect)
	if len(names) == 0 {
		return all, nil
	}
	var found []Attack
	for _, name := range names {
		i := slices.IndexFunc(all, func(a Attack) bool { return a.Name == name })
		if i < 0 {
			return nil, option.Bad("there is no attack %q in the %s dialect: choose from %s", name, dialect, strings.Join(namesOf(all), ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}

func namesOf(all []Attack) (names []string) {
	for _, a := range all {
		names = append(names, a.Name)
	}
	return names
}

// Options limit each attack. The tags have the defaults.
type Options struct {
	Connections int           `default:"200" help:"Maximum number of the attacker's open connections."`
	Bytes       int64         `default:"33554432" help:"Bytes that the attacker may send in one attack, evenly over the window."`
	Window      time.Duration `default:"8s" help:"Length of each attack."`
	Baseline    time.Duration `default:"5s" help:"How long the bystander is measured alone before each attack."`
	Recovery    time.Duration `default:"20s" help:"How long memory and files may take to return after each attack."`
	Grace       time.Duration `default:"10s" help:"How long the bystander's last messages may take before they count as lost."`
	MemorySlack int64         `default:"16777216" help:"Bytes of resident memory that the server may keep after an attack." name:"memory-slack"`
	Addresses   int           `default:"4" help:"Loopback addresses that the attacker connects from; the bystander has one of its own."`
	Room        string        `default:"attacked" help:"The attacker's room: a path, or a channel in the Centrifuge dialect."`
	Beside      string        `default:"bystander" help:"The bystander's room." name:"bystander-room"`
	Attempts    int           `default:"1" help:"Repeat an attack while only the bystander's p99 fails, up to this number of times. An effect of the attack shows each time; noise of the machine does not."`
	Latency     bool          `default:"true" negatable:"" help:"Judge the bystander's p99. On a busy machine it says little."`
}

// check refuses options outside their limits.
func (o Options) check() error {
	switch {
	case o.Connections < 1 || o.Connections > 10000:
		return option.Bad("--connections %d: give 1 to 10000", o.Connections)
	case o.Bytes < 1 || o.Bytes > 4<<30:
		return option.Bad("--bytes %d: give 1 to 4294967296", o.Bytes)
	case o.Window < 100*time.Millisecond || o.Window > 10*time.Minute || o.Baseline < 100*time.Millisecond || o.Baseline > 10*time.Minute:
		return option.Bad("--window %s --baseline %s: give 100ms to 10m", o.Window, o.Baseline)
	case o.Recovery < 0 || o.Recovery > 10*time.Minute || o.Grace < 0 || o.Grace > 10*time.Minute || o.MemorySlack < 0:
		return option.Bad("--recovery %s --grace %s --memory-slack %d: give values from 0 to 10m, and a memory slack of at least 0", o.Recovery, o.Grace, o.MemorySlack)
	case o.Addresses < 1 || o.Addresses > 250:
		return option.Bad("--addresses %d: give 1 to 250", o.Addresses)
	case o.Attempts < 0 || o.Attempts > 100:
		return option.Bad("--attempts %d: give 1 to 100", o.Attempts)
	case o.Room == "" || o.Beside == "" || o.Room == o.Beside:
		return option.Bad("--room %q --bystander-room %q: give two different rooms", o.Room, o.Beside)
	}
	return nil
}
