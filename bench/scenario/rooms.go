package scenario

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/floor"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
)

// Rooms measures many rooms of few members; each message goes to the members of its sender's room. For each number of
// members and each rate it measures the server and the floor in turns, so that a ratio is that of runs close in time.
// Before that, it measures the memory of a room.
type Rooms struct {
	Clients int           `default:"1000" help:"Maximum number of clients of all rooms together."`
	Members []int         `default:"2,5,20,100" help:"Number of clients per room. Several numbers are measured one after another."`
	Rooms   int           `default:"0" help:"Number of rooms; 0 means as many as --clients fill. If it is set, --clients has no effect."`
	Senders int           `default:"0" help:"Number of members of each room that send; 0 means all."`
	Rate    []float64     `default:"2000" help:"Messages per second of all rooms together, in an open loop. 0 means a closed loop: each sender sends its next message when all members of its room have received the last one. Several rates are measured one after another."`
	Seconds float64       `default:"2" help:"Length of the load in each turn, in seconds."`
	Turns   int           `default:"3" help:"Number of turns of the server and the floor, for each number of members and each rate."`
	Floor   bool          `default:"true" negatable:"" help:"Also measure the floor: a bare loop of one read, and one write per member."`
	Weigh   bool          `default:"true" negatable:"" help:"Read the server's memory with all clients in one room, and with the rooms. The difference is the memory of the rooms."`
	Size    option.Size   `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
	Grace   time.Duration `default:"15s" help:"Maximum wait for late messages after a turn. It ends earlier if no message arrives for 3 s."`
}

// rooms returns the number of rooms.
func (o Rooms) rooms(members int) int {
	if o.Rooms > 0 {
		return o.Rooms
	}
	return o.Clients / members
}

// senders returns the number of members of a room that send.
func (o Rooms) senders(members int) int {
	if o.Senders > 0 {
		return o.Senders
	}
	return members
}

func (o Rooms) check() error {
	switch {
	case o.Size.Check() != nil:
		return o.Size.Check()
	case len(o.Members) == 0 || len(o.Rate) == 0 || o.Seconds <= 0 || o.Turns < 1:
		return option.Bad("give --members, a --rate, --seconds greater than 0, and at least 1 for --turns")
	case o.Rooms < 0 || o.Senders < 0:
		return option.Bad("--rooms %d --senders %d: give at least 0", o.Rooms, o.Senders)
	}
	for _, m := range o.Members {
		switch {
		case m < 1 || o.rooms(m) < 1:
			return option.Bad("--members %d --clients %d: give at least one member, and enough clients for one room", m, o.Clients)
		case o.Senders > m:
			return option.Bad("--senders %d --members %d: a room has fewer members than senders", o.Senders, m)
		}
	}
	for _, rate := range o.Rate {
		if rate < 0 || rate*o.Seconds > 4e9 {
			return option.Bad("--rate %g --seconds %g: give a rate of at least 0, and at most 4,000,000,000 messages", rate, o.Seconds)
		}
	}
	return nil
}

// Run runs the scenario.
func (o Rooms) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := load.NewReport(&cfg, "rooms", o)
	if err != nil {
		return nil, err
	}
	r.OwnRooms("rooms-of-M-N")
	r.Rooms = &report.RoomsResult{Steps: []report.RoomsStep{}}
	run := roomsRun{Rooms: o, report: r, target: roomsTarget{cfg, server}}
	if o.Floor {
		child, err := floor.Start(ctx, cfg.Floor)
		if err != nil {
			return r, err
		}
		defer child.Stop()
		noteFloorWithoutTLS(r, cfg)
		run.floor = &roomsTarget{atFloor(cfg, child), proc.Process{PIDs: []int{child.PID()}}}
	}
	err = run.all(ctx)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	return r, err
}

// roomsRun is a running Rooms.
type roomsRun struct {
	Rooms
	report *report.Report
	target roomsTarget
	floor  *roomsTarget // nil if it is not measured
}

// roomsTarget is the server or the floor.
type roomsTarget struct {
	cfg    client.Config
	server proc.Process
}

// fleet creates the clients, all absent.
func (t roomsTarget) fleet(rooms, members int) (*load.Local, error) {
	cfg := t.cfg
	cfg.Members = members
	return load.NewLocal(cfg, rooms*members, cfg.Receivers)
}

// all measures the memory before the load, because a server may keep the messages of a room.
func (r *roomsRun) all(ctx context.Context) error {
	weights := map[int]float64{}
	if r.Weigh && r.target.server.Known() {
		for _, m := range r.Members {
			w, err := r.weigh(ctx, m)
			if err != nil {
				return err
			}
			weights[m] = w
		}
	}
	for _, m := range r.Members {
		for _, rate := range r.Rate {
			step := report.RoomsStep{Members: m, Rooms: r.rooms(m), Senders: r.senders(m), Rate: rate, PerRoom: weights[m]}
			err := r.step(ctx, &step)
			if len(step.Server.Turns) > 0 {
				step.Finish()
				r.report.Rooms.Steps = append(r.report.Rooms.Steps, step)
			}
			if err != nil || ctx.Err() != nil {
				return err
			}
		}
	}
	return nil
}

// weigh returns the memory of a room in bytes: the server's memory with the rooms, less its memory with the same clients
// in one room. The clients connect once before that, so that memory of the first connections counts for neither.
func (r *roomsRun) weigh(ctx context.Context, members int) (perRoom float64, err error) {
	rooms := r.rooms(members)
	if rooms < 2 {
		return 0, nil
	}
	if _, err := r.weight(ctx, 1, rooms*members, 0); err != nil {
		return 0, err
	}
	one, err := r.weight(ctx, 1, rooms*members, r.target.cfg.SettleTime())
	if err != nil {
		return 0, err
	}
	many, err := r.weight(ctx, rooms, members, r.target.cfg.SettleTime())
	return float64(many-one) / float64(rooms-1), err
}

// weight returns the server's memory with so many rooms of so many members, after the pause settle.
func (r *roomsRun) weight(ctx context.Context, rooms, members int, settle time.Duration) (int64, error) {
	f, err := r.target.fleet(rooms, members)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := f.MustOpen(ctx, r.report); err != nil {
		return 0, err
	}
	if err := pause(ctx, r.target.cfg, fmt.Sprintf("reading the memory with %d clients in %d rooms", rooms*members, rooms), settle); err != nil {
		return 0, err
	}
	return r.target.server.PSS(), nil
}

// step runs the turns for one number of members and one rate. The clients of one side leave before those of the other side
// connect. So each side can have as many clients as the files of this process, and there are no idle clients beside it.
func (r *roomsRun) step(ctx context.Context, step *report.RoomsStep) error {
	for range r.Turns {
		usage, err := r.turn(ctx, r.target, step, &step.Server)
		if err != nil || ctx.Err() != nil {
			return err
		}
		step.Usages = append(step.Usages, usage)
		if r.floor == nil {
			continue
		}
		if step.Floor == nil {
			step.Floor = &report.RoomsSide{}
		}
		if _, err := r.turn(ctx, *r.floor, step, step.Floor); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// turn measures one side once.
func (r *roomsRun) turn(ctx context.Context, t roomsTarget, step *report.RoomsStep, side *report.RoomsSide) (u report.Usage, err error) {
	f, err := t.fleet(step.Rooms, step.Members)
	if err != nil {
		return u, err
	}
	defer f.Close()
	if err := f.MustOpen(ctx, r.report); err != nil {
		return u, err
	}
	ours := side == &step.Server
	if ours {
		defer load.StartSampling(r.report, f, t.server)()
	}
	waitIdle(t.server) // after the handshakes
	guard, lost := load.StartGuard(f, t.server), f.Gone()
	plan := newRoomPlan(f, step.Members, step.Senders)
	what := step.Name()
	if !ours {
		what += ", floor"
	}
	sum := &load.Totals{}
	if step.Rate > 0 {
		sum = r.open(ctx, f, plan, step.Rate, what)
	} else {
		sum = newRoomLoop(f, plan, r.Size, r.Seconds).run(ctx, what)
	}
	u = guard.Usage()
	takeTurn(side, sum, step, float64(guard.ServerCPU()), r.Seconds, f.Gone()-lost)
	if !ours {
		return u, nil
	}
	for _, why := range u.ClientLimits(sum.Lag, sum.Hist.Quantile(.99)) {
		r.report.LimitedBy = append(r.report.LimitedBy, fmt.Sprintf("in %s %s", step.Name(), why))
	}
	guard.Remark(r.report, u)
	if sum.Foreign > 0 {
		r.report.Note("clients received %d messages of other rooms: the server does not use the path as the room, or it sends a greeting", sum.Foreign)
	}
	return u, nil
}

// open sends at a rate.
func (r *roomsRun) open(ctx context.Context, f *load.Local, plan *roomPlan, rate float64, what string) *load.Totals {
	s := load.NewSchedule(stat.Now()+50e6, rate, r.Seconds, len(plan.senders))
	tag := stamp.NewTag()
	run := load.StartRun(f, load.NewSender(s, plan.senders, r.Size, tag), f.Clients, func() load.Checker { return &roomChecker{Schedule: s, plan: plan, tag: tag} })
	run.Wait(ctx, f, plan.members, r.Grace, what)
	return run.Collect()
}

// takeTurn adds a turn to a side; cpu is the CPU time of the server in nanoseconds.
func takeTurn(s *report.RoomsSide, sum *load.Totals, step *report.RoomsStep, cpu, seconds float64, gone int) {
	sent, got := int64(sum.Sent), sum.Received.Load()
	s.Sent, s.Expected, s.Delivered = s.Sent+sent, s.Expected+sent*int64(step.Members), s.Delivered+got
	s.Lost = s.Expected - s.Delivered
	s.Duplicates, s.Reordered, s.Foreign = s.Duplicates+sum.Duplicates, s.Reordered+sum.Reordered, s.Foreign+sum.Foreign
	s.Held, s.Gone, s.Late = s.Held+sum.Held, s.Gone+gone, max(s.Late, sum.Lag)
	if s.Hist == nil {
		s.Hist = &stat.Hist{}
	}
	s.Hist.Merge(&sum.Hist)
	s.Turns = append(s.Turns, report.RoomsTurn{Deliveries: float64(sum.InWindow) / seconds, PerMessage: cpu / 1e3 / float64(max(sent, 1)), PerDelivery: cpu / 1e3 / float64(max(got, 1))})
}
