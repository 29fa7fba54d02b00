package acks

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// The errors of this package.
var (
	// ErrUnavailable: the message was not sent, so it is not stored.
	ErrUnavailable = errors.New("acks: the server cannot be reached")
	// ErrNoStream, an ErrUnavailable: the server is there, and has no stream for the message.
	ErrNoStream = fmt.Errorf("%w: it has no such stream", ErrUnavailable)
	// ErrUnknown: the message was sent, but no answer came. It may be stored, or not.
	ErrUnknown = errors.New("acks: no answer, so the outcome is unknown")
)

// Message is a message for a stream.
type Message struct {
	Subject string
	Header  nats.Header // nil: none
	Data    []byte      // must not change until the message has ended
	// Done, if not nil, is called once, when the message has ended.
	Done func(Ack, error)
}

// Config are the settings of a Publisher. Zero values mean the defaults.
type Config struct {
	MaxPending int           // messages that have not ended; 0: 16,384. Above it, Publish gets ErrUnavailable
	MaxBytes   int           // bytes of these; 0: 64 MiB
	Timeout    time.Duration // after which a message without an answer ends; 0: 5 s
	// Silent, if not nil, reports whether the server answers nothing that is sent now. Then messages end without waiting for
	// the Timeout.
	Silent func() bool
	Inbox  string // prefix of the subjects for answers; "": one of the library
}

// Publisher publishes messages over one connection. All methods are safe for concurrent use.
type Publisher struct {
	cfg    Config
	nc     *nats.Conn
	prefix string // of the reply subjects
	sub    *nats.Subscription
	in     chan *nats.Msg
	done   sync.WaitGroup
	pause  atomic.Pointer[func() time.Duration] // see Pace

	mu      sync.Mutex
	wake    *sync.Cond // the queue has changed
	queue   []*pending // not written yet
	sent    map[uint64]*pending
	order   []*pending // queued or sent, in the order of their deadlines; ended ones are still here for a while
	last    uint64     // number of the last message
	count   int        // messages that have not ended
	bytes   int
	away    bool // the connection is lost
	closed  bool
	stopped chan struct{}
}

type pending struct {
	Message
	num      uint64 // 0: it has no answer
	deadline time.Time
	sent     bool
	ended    bool
}

// New makes a publisher on a connection, which must have no reconnect buffer
// (nats.ReconnectBufSize(-1)): a message in it would be sent after it has got ErrUnknown.
func New(nc *nats.Conn, cfg Config) (*Publisher, error) {
	cfg.MaxPending, cfg.MaxBytes, cfg.Timeout = cmp.Or(cfg.MaxPending, 16_384), cmp.Or(cfg.MaxBytes, 64<<20), cmp.Or(cfg.Timeout, 5*time.Second)
	p := &Publisher{cfg: cfg, nc: nc, prefix: cmp.Or(cfg.Inbox, nats.NewInbox()) + ".", in: make(chan *nats.Msg, 2*cfg.MaxPending),
		sent: map[uint64]*pending{}, stopped: make(chan struct{})}
	p.wake = sync.NewCond(&p.mu)
	var err error
	if p.sub, err = nc.ChanSubscribe(p.prefix+"*", p.in); err != nil {
		return nil, err
	}
	p.done.Go(p.write)
	p.done.Go(p.read)
	return p, nil
}

// Close ends the publisher. Messages that were sent get ErrUnknown, and the others ErrUnavailable.
func (p *Publisher) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.wake.Broadcast()
	p.mu.Unlock()
	close(p.stopped)
	_ = p.sub.Unsubscribe() // the connection may be closed already
	p.done.Wait()
	p.Lost()
}

// Publish sends a message. If the queue is full or the connection is lost, its Done gets ErrUnavailable
// before Publish returns; otherwise later. It does not ask the library about the connection: the library
// answers only when its writer does not wait for the server.
func (p *Publisher) Publish(m Message) {
	p.mu.Lock()
	if !p.addLocked(m, true) {
		p.mu.Unlock()
		m.end(Ack{}, ErrUnavailable)
		return
	}
	p.mu.Unlock()
}

// Send sends a message that has no answer, after those that were published before. It is dropped if the
// queue is full or the connection is lost.
func (p *Publisher) Send(subject string, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addLocked(Message{Subject: subject, Data: data}, false)
}

// addLocked puts a message into the queue, if that has space and the connection is there.
func (p *Publisher) addLocked(m Message, answered bool) bool {
	if p.closed || p.away || p.count >= p.cfg.MaxPending || p.bytes+len(m.Data) > p.cfg.MaxBytes {
		return false
	}
	one := &pending{Message: m, deadline: time.Now().Add(p.cfg.Timeout)}
	if answered {
		p.last++
		one.num = p.last
		p.sent[one.num] = one
	}
	p.count++
	p.bytes += len(m.Data)
	p.queue, p.order = append(p.queue, one), append(p.order, one)
	p.wake.Signal()
	return true
}

func (m *Message) end(a Ack, err error) {
	if m.Done != nil {
		m.Done(a, err)
	}
}

// Pending returns how many messages have not ended.
func (p *Publisher) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Lost says that the connection was lost. Messages that were sent get ErrUnknown, and the others
// ErrUnavailable, until Back.
func (p *Publisher) Lost() {
	p.mu.Lock()
	p.away = true
	all := p.order
	p.order = nil
	p.mu.Unlock()
	for _, one := range all {
		p.end(one, Ack{}, nil)
	}
}

// Back says that the connection is up again.
func (p *Publisher) Back() {
	p.mu.Lock()
	p.away = false
	p.mu.Unlock()
}

// end ends a message, unless it has ended. Without an acknowledgement and an error it ends because it waits no
// longer.
func (p *Publisher) end(one *pending, a Ack, err error) {
	p.mu.Lock()
	if one.ended {
		p.mu.Unlock()
		return
	}
	one.ended = true
	switch {
	case err != nil || a.Seq != 0:
	case one.sent:
		err = ErrUnknown
	default:
		err = ErrUnavailable
	}
	delete(p.sent, one.num)
	p.count--
	p.bytes -= len(one.Data)
	p.mu.Unlock()
	one.Message.end(a, err)
	one.Message = Message{}
}

// write sends the messages in the queue, in their order.
func (p *Publisher) write() {
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.closed {
			p.wake.Wait()
		}
		batch, closed := p.queue, p.closed
		p.queue = nil
		p.mu.Unlock()
		for i := range batch {
			p.send(batch[i], closed)
		}
		if closed {
			return
		}
		p.rest(len(batch))
	}
}

// send writes one message to the connection, unless it has ended.
func (p *Publisher) send(one *pending, closed bool) {
	// The answer may come before PublishMsg returns. So the message may end at any time, and its fields are read
	// before.
	p.mu.Lock()
	if one.ended || closed || one.Subject == "" { // see Flush
		p.mu.Unlock()
		p.end(one, Ack{}, nil)
		return
	}
	one.sent = true
	msg := &nats.Msg{Subject: one.Subject, Header: one.Header, Data: one.Data}
	if one.num != 0 {
		msg.Reply = p.prefix + strconv.FormatUint(one.num, 36)
	}
	p.mu.Unlock()
	err := p.nc.PublishMsg(msg)
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		p.end(one, Ack{}, err)
	case err != nil:
		p.end(one, Ack{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
	case one.num == 0:
		p.end(one, Ack{}, nil)
	}
}

// read handles answers, and ends messages with a late answer.
func (p *Publisher) read() {
	tick := time.NewTicker(p.cfg.Timeout / 16)
	defer tick.Stop()
	for {
		select {
		case m := <-p.in:
			p.answer(m)
		case now := <-tick.C:
			p.expire(now)
		case <-p.stopped:
			return
		}
	}
}

// answer ends the message that an answer belongs to.
func (p *Publisher) answer(m *nats.Msg) {
	num, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.prefix), 36, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	one := p.sent[num]
	p.mu.Unlock()
	if one == nil {
		return // it came too late
	}
	a, err := parse(m)
	p.end(one, a, err)
}

// expire ends the messages with a late answer, or all of them if no answer will come, and forgets those that have ended.
func (p *Publisher) expire(now time.Time) {
	silent := p.cfg.Silent != nil && p.cfg.Silent()
	for {
		p.mu.Lock()
		if len(p.order) == 0 || !silent && !p.order[0].ended && p.order[0].deadline.After(now) {
			p.mu.Unlock()
			return
		}
		one := p.order[0]
		p.order[0] = nil
		p.order = p.order[1:]
		p.mu.Unlock()
		p.end(one, Ack{}, nil)
	}
}
