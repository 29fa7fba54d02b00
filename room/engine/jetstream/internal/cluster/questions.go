package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// The errors of questions.
var (
	errAway  = fmt.Errorf("%w: the connection to the other nodes is lost", engine.ErrUnavailable)
	errBusy  = fmt.Errorf("%w: too many questions to the other nodes wait", engine.ErrUnavailable)
	errLarge = errors.New("cluster: the answers of the nodes are too large")
)

// question is a question to all nodes, until it ends. Guarded by Cluster.mu, except what is immutable.
type question struct {
	num   uint64
	send  sending
	asked time.Time
	end   func(result)

	waits map[string]bool   // nodes that have not answered
	parts map[string][]byte // answers that have begun
	next  map[string]uint16 // the number of the next part
	over  map[string]bool   // nodes that have answered
	died  []string          // nodes that died meanwhile
	got   []answer
	bytes int
	timer *time.Timer
}

// answer is the answer of a node. refused, if not "", is the error that it has answered with.
type answer struct {
	from    string
	body    []byte
	refused string
}

// result is how a question ended.
type result struct {
	answers []answer
	late    []string // nodes that live and have not answered
	died    []string // nodes that have not answered and seem to be dead
	err     error    // the question failed as a whole
}

// ask asks all other nodes. end is called once, from a job. If the connection is lost or too many questions
// wait, it gets an error. repeat says that the question is sent again if an answer is late.
func (c *Cluster) ask(subject string, kind frames.Kind, body []byte, repeat bool, end func(result)) {
	c.mu.Lock()
	if err := c.refusalLocked(); err != nil {
		c.mu.Unlock()
		c.work.Go(func() { end(result{err: err}) })
		return
	}
	c.last++
	q := &question{num: c.last, asked: time.Now(), end: end, waits: map[string]bool{}, parts: map[string][]byte{}, next: map[string]uint16{}, over: map[string]bool{}}
	q.send = sending{subject: subject, reply: c.inbox + strconv.FormatUint(q.num, 36), data: c.frame(kind, body), q: q}
	for id := range c.peers {
		q.waits[id] = true
	}
	alone := len(q.waits) == 0
	c.asked[q.num] = q
	if patience := c.cfg.Patience; repeat {
		q.timer = time.AfterFunc(patience/2, func() { c.again(q) })
	} else {
		q.timer = time.AfterFunc(patience, func() { c.fail(q, nil) })
	}
	c.mu.Unlock()
	switch {
	case alone && !repeat:
		c.fail(q, nil)
	case !c.send(q.send):
		c.fail(q, errBusy)
	case alone:
		c.fail(q, nil) // it goes to nodes that this one does not know yet, and waits for none
	}
}

// refusalLocked returns why a question cannot be asked.
func (c *Cluster) refusalLocked() error {
	switch {
	case c.away || c.closed: // the library is not asked: it answers when its writer has written
		return errAway
	case len(c.asked) >= maxQuestions:
		return errBusy
	}
	return nil
}

// again sends a question again. Nodes that have applied it only confirm it.
func (c *Cluster) again(q *question) {
	c.mu.Lock()
	if c.asked[q.num] != q {
		c.mu.Unlock()
		return
	}
	q.timer = time.AfterFunc(c.cfg.Patience/2, func() { c.fail(q, nil) })
	c.mu.Unlock()
	c.send(q.send) // if that fails, the question ends with late nodes
}

// fail ends a question, unless it has ended. err may be nil.
func (c *Cluster) fail(q *question, err error) {
	c.mu.Lock()
	if c.asked[q.num] != q {
		c.mu.Unlock()
		return
	}
	c.takeLocked(q)
	c.mu.Unlock()
	c.end(q, err)
}

// takeLocked removes a question. Whoever does so calls end.
func (c *Cluster) takeLocked(q *question) {
	delete(c.asked, q.num)
	c.bytes -= q.bytes
	q.timer.Stop()
	for id := range q.waits {
		if c.peers[id].After(q.asked) {
			continue
		}
		delete(q.waits, id)
		q.died = append(q.died, id) // not heard since the question: at least one beat is missing
	}
}

func (c *Cluster) takeAllLocked() (all []*question) {
	for _, q := range c.asked {
		all = append(all, q)
	}
	for _, q := range all {
		c.takeLocked(q)
	}
	return all
}

// end calls the callback of a question that was taken.
func (c *Cluster) end(q *question, err error) {
	r := result{answers: q.got, died: q.died, err: err}
	for id := range q.waits {
		r.late = append(r.late, id)
	}
	c.work.Go(func() { q.end(r) })
}

// answered handles a part of an answer.
func (c *Cluster) answered(subject string, f frames.Frame) {
	num, err := strconv.ParseUint(strings.TrimPrefix(subject, c.inbox), 36, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	q := c.asked[num]
	if q == nil || q.over[f.From] {
		c.mu.Unlock()
		return // it is late, or comes again
	}
	err = c.addLocked(q, f)
	over := err != nil || len(q.waits) == 0
	if over {
		c.takeLocked(q)
	}
	c.mu.Unlock()
	if over {
		c.end(q, err)
	}
}

// addLocked adds a part of an answer to its question. A part that does not follow the one before it begins
// the answer anew, if it is the first, and is ignored otherwise: then the node is late.
func (c *Cluster) addLocked(q *question, f frames.Frame) error {
	if f.Part == 0 {
		c.addBytesLocked(q, -len(q.parts[f.From]))
		q.parts[f.From], q.next[f.From] = nil, 0
	}
	if f.Part != q.next[f.From] {
		return nil
	}
	c.addBytesLocked(q, len(f.Body))
	if q.bytes > maxAnswer || c.bytes > maxAnswers {
		return errLarge
	}
	q.parts[f.From] = append(q.parts[f.From], f.Body...)
	if q.next[f.From]++; f.More {
		return nil
	}
	a := answer{from: f.From, body: q.parts[f.From]}
	if f.Kind == frames.Refusal {
		a.body, a.refused = nil, string(a.body)
	}
	q.got = append(q.got, a)
	q.over[f.From] = true
	delete(q.waits, f.From)
	return nil
}

func (c *Cluster) addBytesLocked(q *question, n int) {
	q.bytes += n
	c.bytes += n
}

// missing returns the error for a question to which not all living nodes have answered: of the first that was
// not answered or answered with an error. Nodes that seem to be dead are left out.
func (r *result) missing() error {
	if r.err != nil {
		return r.err
	}
	for _, a := range r.answers {
		if a.refused != "" {
			return fmt.Errorf("%w: node %s: %s", engine.ErrUnavailable, a.from, a.refused)
		}
	}
	if len(r.late) > 0 {
		return fmt.Errorf("%w: node %s does not answer", engine.ErrUnavailable, strings.Join(r.late, " and "))
	}
	return nil
}
