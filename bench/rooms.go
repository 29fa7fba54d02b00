package bench

import (
	"context"
	"fmt"
	"time"
)

// Rooms measures many rooms of few members: each message goes to the members of its sender's room. It does so at each number of members and each rate, on the
// server and on the floor in turns, so that the ratio is of runs that were close in time. Before that it weighs what a room costs the server.
type Rooms struct {
	Clients int           `default:"1000" help:"Clients of all rooms together, at most."`
	Members []int         `default:"2,5,20,100" help:"Clients of a room. Several numbers are run one after another."`
	Rooms   int           `default:"0" help:"How many rooms; 0: as many as --clients fill. It goes before --clients."`
	Senders int           `default:"0" help:"Members of each room that send; 0: all."`
	Rate    []float64     `default:"2000" help:"Messages a second of all rooms together, sent on time whatever becomes of them. 0: a closed loop, in which each sender sends its next message when all of its room have the last one. Several rates are run one after another."`
	Seconds float64       `default:"2" help:"Length of the load in each turn."`
	Turns   int           `default:"3" help:"Turns of the server and the floor, at each number of members and each rate."`
	Floor   bool          `default:"true" negatable:"" help:"Measure the floor too: a bare loop of one read and a write to each member."`
	Weigh   bool          `default:"true" negatable:"" help:"Weigh the server with all clients in one room, and with the rooms: the difference is what the rooms cost."`
	Size    Size          `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
	Grace   time.Duration `default:"15s" help:"How long to wait for what is under way when a turn ends; it ends earlier when nothing comes for 3 s."`
}

// rooms is how many rooms of so many members there are.
func (o Rooms) rooms(members int) int {
	if o.Rooms > 0 {
		return o.Rooms
	}
	return o.Clients / members
}

// senders is how many members of a room send.
func (o Rooms) senders(members int) int {
	if o.Senders > 0 {
		return o.Senders
	}
	return members
}

func (o Rooms) check() error {
	switch {
	case o.Size.check() != nil:
		return o.Size.check()
	case len(o.Members) == 0 || len(o.Rate) == 0 || o.Seconds <= 0 || o.Turns < 1:
		return badOption("give --members, a --rate, --seconds over zero and one of --turns at least")
	case o.Rooms < 0 || o.Senders < 0:
		return badOption("--rooms %d --senders %d: give numbers of zero or more", o.Rooms, o.Senders)
	}
	for _, m := range o.Members {
		switch {
		case m < 1 || o.rooms(m) < 1:
			return badOption("--members %d --clients %d: give one member at least, and clients for one room", m, o.Clients)
		case o.Senders > m:
			return badOption("--senders %d --members %d: no more members of a room can send than it has", o.Senders, m)
		}
	}
	for _, rate := range o.Rate {
		if rate < 0 || rate*o.Seconds > 4e9 {
			return badOption("--rate %g --seconds %g: give a rate of zero or more, and no more than 4,000,000,000 messages, which is where their numbers end", rate, o.Seconds)
		}
	}
	return nil
}

// Run measures.
func (o Rooms) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := newReport(&cfg, "rooms", o)
	if err != nil {
		return nil, err
	}
	r.ownRooms("rooms-of-M-N")
	r.Rooms = &RoomsResult{Steps: []RoomsStep{}}
	run := roomsRun{Rooms: o, report: r, target: roomsTarget{cfg, server}}
	if o.Floor {
		child, err := cfg.startFloor(ctx)
		if err != nil {
			return r, err
		}
		defer child.Stop()
		r.floorWithoutTLS(cfg)
		run.floor = &roomsTarget{cfg.atFloor(child), process{pids: []int{child.PID()}}}
	}
	err = run.all(ctx)
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		err = nil
	}
	return r, err
}

// roomsRun is a Rooms under way.
type roomsRun struct {
	Rooms
	report *Report
	target roomsTarget
	floor  *roomsTarget // nil: not measured
}

// roomsTarget is a server with rooms.
type roomsTarget struct {
	cfg    Config
	server process
}

// fleet makes the clients, all absent.
func (t roomsTarget) fleet(rooms, members int) (*Fleet, error) {
	cfg := t.cfg
	cfg.Members = members
	return NewFleet(cfg, rooms*members, cfg.Receivers)
}

// all weighs before it loads: a room that has had messages may remember them.
func (r *roomsRun) all(ctx context.Context) error {
	weights := map[int]float64{}
	if r.Weigh && r.target.server.known() {
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
			step := RoomsStep{Members: m, Rooms: r.rooms(m), Senders: r.senders(m), Rate: rate, PerRoom: weights[m]}
			err := r.step(ctx, &step)
			if len(step.Server.turns) > 0 {
				step.finish()
				r.report.Rooms.Steps = append(r.report.Rooms.Steps, step)
			}
			if err != nil || ctx.Err() != nil {
				return err
			}
		}
	}
	return nil
}

// weigh returns what a room costs the server, in bytes: its memory with the rooms, less its memory with the same clients in one room. The
// clients come once before that is weighed, so that what a server allocates at their first coming counts for neither.
func (r *roomsRun) weigh(ctx context.Context, members int) (perRoom float64, err error) {
	rooms := r.rooms(members)
	if rooms < 2 {
		return 0, nil
	}
	if _, err := r.weight(ctx, 1, rooms*members, 0); err != nil {
		return 0, err
	}
	one, err := r.weight(ctx, 1, rooms*members, r.target.cfg.settle())
	if err != nil {
		return 0, err
	}
	many, err := r.weight(ctx, rooms, members, r.target.cfg.settle())
	return float64(many-one) / float64(rooms-1), err
}

// weight is the server's memory with so many rooms of so many members, after it had time to settle.
func (r *roomsRun) weight(ctx context.Context, rooms, members int, settle time.Duration) (int64, error) {
	f, err := r.target.fleet(rooms, members)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := f.mustOpen(ctx, r.report); err != nil {
		return 0, err
	}
	if err := pause(ctx, r.target.cfg, fmt.Sprintf("weighing %d clients in %d rooms", rooms*members, rooms), settle); err != nil {
		return 0, err
	}
	return r.target.server.pss(), nil
}

// step takes the turns at one number of members and one rate. The clients of one side leave before those of the other come: so a side has as many clients
// as this process has files for, and no idle clients are beside it.
func (r *roomsRun) step(ctx context.Context, step *RoomsStep) error {
	for range r.Turns {
		usage, err := r.turn(ctx, r.target, step, &step.Server)
		if err != nil || ctx.Err() != nil {
			return err
		}
		step.usages = append(step.usages, usage)
		if r.floor == nil {
			continue
		}
		if step.Floor == nil {
			step.Floor = &RoomsSide{}
		}
		if _, err := r.turn(ctx, *r.floor, step, step.Floor); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// turn loads one side once.
func (r *roomsRun) turn(ctx context.Context, t roomsTarget, step *RoomsStep, side *RoomsSide) (u Usage, err error) {
	f, err := t.fleet(step.Rooms, step.Members)
	if err != nil {
		return u, err
	}
	defer f.Close()
	if err := f.mustOpen(ctx, r.report); err != nil {
		return u, err
	}
	ours := side == &step.Server
	if ours {
		defer r.report.sample(f, t.server)()
	}
	rest(t.server) // from the handshakes
	guard, lost := watch(f, t.server), f.Gone()
	plan := newRoomPlan(f, step.Members, step.Senders)
	what := step.name()
	if !ours {
		what += ", floor"
	}
	sum := &counted{}
	if step.Rate > 0 {
		sum = r.open(ctx, f, plan, step.Rate, what)
	} else {
		sum = newRoomLoop(f, plan, r.Size, r.Seconds).run(ctx, what)
	}
	u = guard.usage()
	side.take(sum, step, float64(t.server.cpu()-guard.cpu), r.Seconds, f.Gone()-lost)
	if !ours {
		return u, nil
	}
	for _, why := range u.judge(sum.lag, sum.hist.Quantile(.99)) {
		r.report.LimitedBy = append(r.report.LimitedBy, fmt.Sprintf("in %s %s", step.name(), why))
	}
	guard.remark(r.report, u)
	if sum.foreign > 0 {
		r.report.note("clients got %d messages that were not of their rooms: the server's rooms are not its paths, or it greets", sum.foreign)
	}
	return u, nil
}

// open sends at the rate.
func (r *roomsRun) open(ctx context.Context, f *Fleet, plan *roomPlan, rate float64, what string) *counted {
	s := newSchedule(now()+50e6, rate, r.Seconds, len(plan.senders))
	tag := newTag()
	run := startRun(f, newSender(s, plan.senders, r.Size, tag), f.clients, func() checker { return &roomTally{schedule: s, plan: plan, tag: tag} })
	run.wait(ctx, f, plan.members, r.Grace, what)
	return run.collect()
}
