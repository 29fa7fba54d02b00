package centrifuge

import (
	"io"

	"github.com/gobwas/ws"

	"webim/room/wire"
)

// message handles the commands of one WebSocket message. A command that cannot be answered at once
// replies later, and the commands after it do not wait for it.
func (s *session) message(op ws.OpCode, data []byte) {
	if (op == ws.OpBinary) != (s.enc == wire.Protobuf) {
		s.logRefusal("", wire.DisconnectBadRequest)
		s.Disconnect(wire.DisconnectBadRequest)
		return
	}
	commands, err := wire.Decode(s.enc, s.unhandled(data), s.cfg().MaxCommands)
	if err != nil {
		s.logRefusal("", err)
		s.end(err)
		return
	}
	s.skipHandled(&commands)
	s.BeginMessage()
	o := takeOut(s)
	defer o.give()
	commands.Lend(&o.scratch, s)
	s.commands(o, &commands)
}

// Known implements wire.Names with the names of the session's rooms.
func (s *session) Known(b []byte) (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subs {
		if name := s.subs[i].room.Name(); name == string(b) {
			return name, true
		}
	}
	return "", false
}

// commands handles one command after the other. It stops before the end of the message in these cases,
// and netpoll then brings the message again:
//
//   - A connect command is answered later. The commands after it mean nothing without it.
//   - A chat call begins. The commands after it wait until it has ended.
//   - The client must first read the replies that it has been sent (hold).
//   - The work of the turn is used up (endTurn, mustYield).
func (s *session) commands(o *out, all *wire.Commands) {
	for {
		taken, left := all.Taken(), len(all.Rest())
		method, c, err := all.Next()
		if answersItself(method) {
			o.flush()
		}
		if err == io.EOF || s.mustYield(method, c, taken, left) || s.hold(method, c, taken, left) {
			return
		}
		s.conn.TraceCommand(uint16(method), left-len(all.Rest()))
		over := s.conn.Spent(workOf(method, c))
		if err == nil && method == wire.Connect {
			var wait bool
			if wait, err = s.connect(o, c, all); wait {
				return
			}
		} else if err == nil {
			err = s.command(o, method, c)
		}
		if o.call != nil {
			o.call.Begin(s.wait(all))
			return
		}
		if s.refused(o, c, err) || s.endTurn(all, over) {
			return
		}
	}
}
