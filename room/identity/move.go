package identity

import (
	"webim/netpoll/snapshot"
	"webim/room/cost"
	"webim/room/token"
)

// Export writes down the identity, the payer and the use of the rates, for another process.
func (p *Principal) Export(e *snapshot.Encoder, m *cost.Meter) {
	e.Message(1, p.Identity().Encode)
	e.Message(2, func(e *snapshot.Encoder) { m.ExportUsage(e, &p.Usage) })
}

// Import reads what Export has written down. It is called before the Principal is shared with another goroutine. If the
// connection counted to its user, it counts here, too.
func (p *Principal) Import(d *snapshot.Decoder, m *cost.Meter) (err error) {
	who, usage := token.Anonymous, &snapshot.Decoder{}
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			if who, err = token.DecodeIdentity(d.Message()); err != nil {
				d.Fail(err)
			}
		case 2:
			usage = d.Message()
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	p.who.Store(who)
	return m.ImportUsage(usage, &p.Usage, who.User)
}
