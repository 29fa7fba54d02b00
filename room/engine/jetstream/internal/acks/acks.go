package acks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// The errors of this package.
var (
	// ErrUnavailable: the message was not sent, so it is not stored.
	ErrUnavailable = errors.New("acks: the server cannot be reached")
	// ErrUnknown: the message was sent, but no answer came. It may be stored, or not.
	ErrUnknown = errors.New("acks: no answer, so the outcome is unknown")
)

// A Refusal is an error that the server has answered with. The message is not stored.
type Refusal struct {
	Code        int    `json:"code"`     // as in HTTP
	ErrCode     int    `json:"err_code"` // the exact error, see the server's errors.json
	Description string `json:"description"`
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("acks: the server refused the message: %s (%d)", r.Description, r.ErrCode)
}

// The server's codes in ErrCode.
const (
	codeWrongID              = 10070
	codeWrongSequence        = 10071
	codeWrongSequenceCluster = 10164 // while another message for the subject is on its way
	codeStoreFull            = 10077 // of a stream
	codeStorageExceeded      = 10047 // of the server or the account
	codeNoSpace              = 10023 // insufficient resources
)

// IsWrongSequence reports whether the message named another last sequence than the stream or the subject
// has.
func (r *Refusal) IsWrongSequence() bool {
	return r.ErrCode == codeWrongSequence || r.ErrCode == codeWrongSequenceCluster
}

// IsWrongID reports whether the message named another id than the last message of the stream has.
func (r *Refusal) IsWrongID() bool { return r.ErrCode == codeWrongID }

// IsFull reports whether there is no space for the message.
func (r *Refusal) IsFull() bool {
	return r.ErrCode == codeStoreFull || r.ErrCode == codeStorageExceeded || r.ErrCode == codeNoSpace
}

// An Ack says where a message is stored.
type Ack struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"` // the id was known: Seq is the place of the first message
}

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
	Timeout    time.Duration // after which a message that was sent gets ErrUnknown; 0: 5 s
	Inbox      string        // prefix of the subjects for answers; "": one of the library
}

// Publisher publishes messages over one connection. All methods are safe for concurrent use.
type Publisher struct {
	cfg    Config
	nc     *nats.Conn
	prefix string // of the reply subjects
	sub    *nats.Subscription
	in     chan *nats.Msg
	done   sync.WaitGroup

	mu      sync.Mutex
	wake    *sync.Cond // the queue has changed
	queue   []pending  // not written yet
	sent    map[uint64]*pending
	order   []*pending // sent, in the order of their deadlines; ended ones are still here for a while
	last    uint64     // number of the last message
	count   int        // messages that have not ended
	bytes   int
	closed  bool
	stopped chan struct{}
}

type pending struct {
	Message
	num      uint64
	deadline time.Time
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

// Publish sends a message. If the queue is full or the connection is down, its Done gets ErrUnavailable
// before Publish returns; otherwise later.
func (p *Publisher) Publish(m Message) {
	p.mu.Lock()
	if p.closed || p.count >= p.cfg.MaxPending || p.bytes+len(m.Data) > p.cfg.MaxBytes || !p.nc.IsConnected() {
		p.mu.Unlock()
		m.end(Ack{}, ErrUnavailable)
		return
	}
	p.last++
	p.count++
	p.bytes += len(m.Data)
	p.queue = append(p.queue, pending{Message: m, num: p.last})
	p.wake.Signal()
	p.mu.Unlock()
}

// Send sends a message that has no answer, after those that were published before. It is dropped if the
// queue is full or the connection is down.
func (p *Publisher) Send(subject string, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.count >= p.cfg.MaxPending || p.bytes+len(data) > p.cfg.MaxBytes || !p.nc.IsConnected() {
		return
	}
	p.count++
	p.bytes += len(data)
	p.queue = append(p.queue, pending{Message: Message{Subject: subject, Data: data}})
	p.wake.Signal()
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

// Lost says that the connection was lost. Messages that were sent get ErrUnknown.
func (p *Publisher) Lost() {
	p.mu.Lock()
	all := p.order
	p.order = nil
	p.mu.Unlock()
	for _, one := range all {
		p.end(one, Ack{}, ErrUnknown)
	}
}

// end ends a message that was taken off the queue, unless it has ended.
func (p *Publisher) end(one *pending, a Ack, err error) {
	p.mu.Lock()
	if one.ended {
		p.mu.Unlock()
		return
	}
	one.ended = true
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
			p.send(&batch[i], closed)
		}
		if closed {
			return
		}
	}
}

// send writes one message to the connection.
func (p *Publisher) send(one *pending, closed bool) {
	if one.num == 0 { // it has no answer
		if !closed {
			_ = p.nc.Publish(one.Subject, one.Data)
		}
		p.end(one, Ack{}, nil)
		return
	}
	// The answer may come before PublishMsg returns, so the message is in the tables before. From then on
	// it may end at any time, so its fields are read before.
	msg := &nats.Msg{Subject: one.Subject, Reply: p.prefix + strconv.FormatUint(one.num, 36), Header: one.Header, Data: one.Data}
	p.mu.Lock()
	one.deadline = time.Now().Add(p.cfg.Timeout)
	p.sent[one.num] = one
	p.order = append(p.order, one)
	p.mu.Unlock()
	if closed {
		p.end(one, Ack{}, ErrUnavailable)
		return
	}
	err := p.nc.PublishMsg(msg)
	switch {
	case err == nil:
	case errors.Is(err, nats.ErrMaxPayload):
		p.end(one, Ack{}, err)
	default:
		p.end(one, Ack{}, fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}

// read handles answers, and ends messages whose answer is late.
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

// parse reads an answer.
func parse(m *nats.Msg) (Ack, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return Ack{}, ErrUnavailable // nobody has the stream
	}
	var a struct {
		Ack
		Error *Refusal `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &a); {
	case err != nil:
		return Ack{}, fmt.Errorf("%w: the answer cannot be read: %w", ErrUnknown, err)
	case a.Error != nil:
		return Ack{}, a.Error
	case a.Seq == 0:
		return Ack{}, fmt.Errorf("%w: the answer has no sequence", ErrUnknown)
	}
	return a.Ack, nil
}

// expire ends the messages whose answer is late, and forgets those that have ended.
func (p *Publisher) expire(now time.Time) {
	for {
		p.mu.Lock()
		if len(p.order) == 0 || !p.order[0].ended && p.order[0].deadline.After(now) {
			p.mu.Unlock()
			return
		}
		one := p.order[0]
		p.order[0] = nil
		p.order = p.order[1:]
		p.mu.Unlock()
		p.end(one, Ack{}, ErrUnknown)
	}
}
