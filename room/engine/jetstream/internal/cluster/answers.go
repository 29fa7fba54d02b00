package cluster

import (
	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// question handles a question of another node, which a job answers, or a change that it tells.
func (c *Cluster) question(reply string, f frames.Frame) {
	if f.Kind == frames.Changed {
		c.changed(f)
	}
	if reply == "" {
		return
	}
	if c.guests.Add(1) > maxQuestions {
		c.guests.Add(-1)
		c.faults.Warn("a question of another node is refused: too many wait here", "node", f.From)
		c.send(sending{subject: reply, data: c.frame(frames.Refusal, []byte("too many questions wait here"))})
		return
	}
	pool, handle := c.work, c.answer
	if f.Kind == frames.Control {
		pool, handle = c.apply, c.confirm
	}
	pool.Go(func() {
		defer c.guests.Add(-1)
		handle(reply, f)
	})
}

// answer answers a question. It may wait for the connection.
func (c *Cluster) answer(reply string, f frames.Frame) {
	body, err := c.bodyFor(f)
	if err == nil && len(body) > maxAnswer {
		err = errLarge
	}
	out := frames.Frame{From: c.id, Kind: frames.Answer}
	if err != nil {
		c.faults.Warn("a question of another node is not answered", "node", f.From, "err", err)
		out.Kind, body = frames.Refusal, []byte(err.Error())
	}
	for first := true; first || len(body) > 0; first = false {
		n := min(len(body), maxPart)
		out.Body, body = body[:n], body[n:]
		out.More = len(body) > 0
		if err := c.nc.PublishMsg(&nats.Msg{Subject: reply, Data: frames.Append(nil, &out)}); err != nil {
			return // the connection is lost, so the asker does not wait any more
		}
		out.Part++
	}
}

// bodyFor returns the answer to a question.
func (c *Cluster) bodyFor(f frames.Frame) ([]byte, error) {
	switch f.Kind {
	case frames.Count:
		room, _, err := frames.DecodeRoom(f.Body)
		if err != nil {
			return nil, err
		}
		return c.countFor(room), nil
	case frames.Members:
		room, limit, err := frames.DecodeRoom(f.Body)
		if err != nil {
			return nil, err
		}
		all, clients, whole := c.membersHere(room, limit)
		return frames.AppendListed(nil, &frames.Listed{Clients: clients, Whole: whole, All: all}), nil
	case frames.Info:
		return frames.AppendInfos(nil, c.infosHere(engine.Question{Rooms: string(f.Body)}))
	case frames.Ended:
		return frames.AppendInfos(nil, c.infosHere(engine.Question{Ended: string(f.Body)}))
	}
	return nil, frames.ErrMalformed
}

// unreadable handles a message that cannot be decoded. A node with a newer version lives, and learns why it
// gets no answer.
func (c *Cluster) unreadable(m *nats.Msg, from string, err error) {
	if from != "" {
		c.heard(from)
	}
	if m.Subject == subjectAlive {
		return
	}
	c.faults.Warn("a message of another node cannot be read", "node", from, "err", err)
	if m.Reply != "" {
		c.send(sending{subject: m.Reply, data: c.frame(frames.Refusal, []byte(err.Error()))})
	}
}
