package cluster

import (
	"fmt"
	"time"

	"webim/room/engine/jetstream/internal/frames"

	"github.com/nats-io/nats.go"
)

// sending is a message to write.
type sending struct {
	subject, reply string
	data           []byte
	q              *question // fails if the message cannot be written; may be nil
}

// frame returns the bytes of a message of one part.
func (c *Cluster) frame(kind frames.Kind, body []byte) []byte {
	return frames.Append(nil, &frames.Frame{From: c.id, Kind: kind, Body: body})
}

// send gives a message to the goroutine that writes. It reports false if too many wait.
func (c *Cluster) send(s sending) bool {
	select {
	case c.out <- s:
		return true
	default:
		return false
	}
}

// write writes to the connection, which may block.
func (c *Cluster) write() {
	beat := time.NewTicker(c.cfg.Beat)
	defer beat.Stop()
	for {
		select {
		case s := <-c.out:
			err := c.nc.PublishMsg(&nats.Msg{Subject: s.subject, Reply: s.reply, Data: s.data})
			if err != nil && s.q != nil {
				c.fail(s.q, fmt.Errorf("%w: %w", errAway, err))
			}
		case <-beat.C:
			if !c.isHeld() {
				_ = c.nc.Publish(subjectAlive, c.beat()) // it fails while the connection is lost
			}
		case <-c.stop:
			return
		}
	}
}
