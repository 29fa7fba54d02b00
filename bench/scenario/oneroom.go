package scenario

import (
	"context"
	"sync"

	"webim/bench/cluster"
	"webim/bench/floor"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stamp"
)

// lobby is the room of clients that name none.
const lobby = "lobby"

// oneRoom sends messages to all clients, which are members of one room, and asks the first and the last node for the number
// of members.
func (m *millionRun) oneRoom(ctx context.Context) error {
	res := &report.OneRoom{}
	m.res.OneRoom = res
	for _, k := range []int{0, m.count - 1} {
		n, err := m.nodes.members(ctx, k, lobby)
		if err != nil {
			return err
		}
		if res.Members = append(res.Members, n); n != m.res.Clients {
			m.r.Note("node %d counts %d members of the room; %d clients are open", k, n, m.res.Clients)
		}
	}
	singles, err := m.cluster.Singles(m.Size)
	if err != nil {
		return err
	}
	broker := proc.Process{PIDs: []int{m.nodes.nats.PID()}}
	err = rounds(ctx, m.pairs, &res.Room, broker, m.Rounds, "a message to all", func(ctx context.Context) (report.Round, error) { return singles.Send(ctx) })
	res.NATS, res.ServerAfter = broker.PSS(), m.server().PSS()
	return err
}

// rounds measures so many messages to all clients of p, one after the other.
func rounds(ctx context.Context, p *pairs, side *report.OneRoomSide, broker proc.Process, n int, what string, send func(context.Context) (report.Round, error)) error {
	server := p.server()
	for i := range n {
		used := [...]int64{server.CPU(), p.cluster.CPU(), broker.CPU(), proc.MachineBusy()}
		before := proc.ReadKernel()
		round, err := send(ctx)
		if err != nil {
			return err
		}
		waitIdle(server)
		side.Add(round, report.OneRoomCost{Server: server.CPU() - used[0], Client: p.cluster.CPU() - used[1], NATS: broker.CPU() - used[2],
			Machine: proc.MachineBusy() - used[3], Kernel: proc.ReadKernel().Since(before).Sum()})
		p.cfg.ShowProgress(what, i+1, n)
	}
	side.Finish()
	return nil
}

// bareWrites ends the servers and their clients, connects as many clients to floor servers, and lets each of those write a
// message to all of its clients at the same time: no server can be faster on this machine.
func (m *millionRun) bareWrites(ctx context.Context) error {
	m.pairs.close()
	p := newPairs(m.cfg, m.Clients, m.count)
	m.pairs = p
	argv, err := floor.Command(m.cfg.Floor)
	if err == nil {
		err = p.start(ctx, func(int) []string { return argv })
	}
	if err != nil {
		return err
	}
	alive, stop := p.whileAllLive(ctx)
	defer stop()
	if err = p.connect(alive); err != nil {
		return err
	}
	tag, seq := stamp.NewTag(), uint32(0)
	return rounds(alive, p, &m.res.OneRoom.Floor, proc.Process{}, m.Rounds, "bare writes to all", func(ctx context.Context) (report.Round, error) {
		seq++
		return sendEverywhere(ctx, p.cluster, m.Size, tag, seq)
	})
}

// sendEverywhere lets each process send a message to its server at the same time. The round begins with the first sending.
func sendEverywhere(ctx context.Context, c *cluster.Cluster, size option.Size, tag uint64, seq uint32) (report.Round, error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	var received []int64
	first, expected := int64(0), 0
	for _, worker := range c.Workers {
		all.Go(func() {
			start, times, n, err := worker.SendOne(ctx, size, tag, seq)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			if first == 0 || start < first {
				first = start
			}
			received, expected = append(received, times...), expected+n
		})
	}
	all.Wait()
	return load.SumUp(received, first, expected), failed
}
