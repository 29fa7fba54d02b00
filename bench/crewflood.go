package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// crewFlood is a flood of a Crew: every process checks what its clients get by the same schedule, the first process sends.
type crewFlood struct {
	crew *Crew

	mu    sync.Mutex // guards what follows
	asked time.Time
	got   int64
}

// statEvery is how old an answer to "how many have come" may be: each costs every process a thread's wake.
const statEvery = 50 * time.Millisecond

func (c *Crew) flood(s schedule, size Size, nap time.Duration) (flooding, error) {
	if most := c.mates[0].clients; s.senders > most {
		return nil, badOption("--senders %d: all are in the first of %d processes, which has %d clients; give no more than that", s.senders, len(c.mates), most)
	}
	o := floodOrder{Start: s.start, End: s.end, Interval: s.interval, Total: s.total, Senders: s.senders, Size: size.String(), Nap: nap, Tag: newTag()}
	_, err := c.all(context.Background(), func(k int, _ *mateProcess) order {
		mine := o
		mine.Send = k == 0
		return order{Do: doFlood, Flood: &mine}
	})
	if err != nil {
		return nil, err
	}
	if now() > s.start {
		c.halt()
		return nil, fmt.Errorf("the %d worker processes took too long to get ready for the flood: the machine is too busy", len(c.mates))
	}
	run := &crewFlood{crew: c}
	c.sampler.follow(run)
	return run, nil
}

func (c *Crew) halt() {
	_, _ = c.all(context.Background(), func(int, *mateProcess) order { return order{Do: doHalt} }) // the error is noted
}

func (r *crewFlood) received() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) > statEvery {
		r.asked, r.got = time.Now(), r.crew.total().Received
	}
	return r.got
}

func (r *crewFlood) halt()        { r.crew.halt() }
func (r *crewFlood) fault() error { return r.crew.fault() }

func (r *crewFlood) soFar() *Hist {
	h := &Hist{}
	answers, _ := r.crew.all(context.Background(), func(int, *mateProcess) order { return order{Do: doSoFar} }) // the error is noted
	for _, a := range answers {
		if a.Hist != nil {
			h.unpack(a.Hist)
		}
	}
	return h
}

func (r *crewFlood) collect() *counted {
	sum := &counted{}
	answers, _ := r.crew.all(context.Background(), func(int, *mateProcess) order { return order{Do: doCollect} }) // the error is noted
	for _, a := range answers {
		if a.Flood != nil {
			sum.unpack(a.Flood)
		}
	}
	return sum
}

// crewRounds is rounds of a Crew: one process sends, and each tells when its clients got the message, by the clock that all processes share.
type crewRounds struct {
	crew *Crew
	size string
	tag  uint64
	seq  uint32
}

func (c *Crew) aim(size Size, _ process) (shooter, error) {
	return &crewRounds{crew: c, size: size.String(), tag: newTag()}, nil
}

func (r *crewRounds) reach() int { return r.crew.Open() }

func (r *crewRounds) shoot(ctx context.Context) (Round, error) {
	r.seq++
	ready, err := r.crew.all(ctx, func(int, *mateProcess) order {
		return order{Do: doArm, Tag: r.tag, Size: r.size, Seq: r.seq}
	})
	if err != nil {
		return Round{}, err
	}
	fired, err := r.crew.mates[rand.IntN(len(r.crew.mates))].order(order{Do: doFire})
	if err != nil {
		return Round{}, r.crew.note(err)
	}
	came, err := r.crew.all(ctx, func(int, *mateProcess) order { return order{Do: doAwait} })
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Round{}, err
	}
	n, times := 0, []int64(nil)
	for k := range ready {
		n, times = n+ready[k].N, append(times, came[k].Times...)
	}
	return roundOf(times, fired.At, n), nil
}
