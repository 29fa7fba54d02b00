package scenario

import (
	"context"
	"strings"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/floor"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
)

// atFloor returns the Config for clients of the floor server, which has only the plain dialect.
func atFloor(c client.Config, p *floor.Process) client.Config {
	c.URL, c.Dialect, c.Channel = p.URL, client.Plain, ""
	return c
}

// side is the server or the floor, with its clients.
type side struct {
	load.Singles
	server proc.Process
}

// floorComparison is the server and the floor with the same number of clients, to be measured in turns.
type floorComparison struct {
	sides []side // the server, then the floor
	child *floor.Process
	loads []load.Load
}

// startFloorComparison creates the report of a scenario, starts the floor server, and connects both sides. The floor is
// left out for more clients than the files of its one process. The report is nil only if it could not be created.
func startFloorComparison(ctx context.Context, cfg client.Config, scenario string, options any, clients int, size option.Size) (*floorComparison, *report.Report, error) {
	r, server, err := load.NewReport(&cfg, scenario, options)
	if err != nil {
		return nil, nil, err
	}
	if err := size.Check(); err != nil {
		return nil, r, err
	}
	d := &floorComparison{}
	if err := d.connect(ctx, cfg, server, clients, size, r); err != nil {
		d.close()
		return nil, r, err
	}
	if clients > proc.MaxClients() {
		r.Note("the floor was left out, because one process can have only %d clients here", proc.MaxClients())
		return d, r, nil
	}
	child, err := floor.Start(ctx, cfg.Floor)
	if err == nil {
		noteFloorWithoutTLS(r, cfg)
		d.child = child
		err = d.connect(ctx, atFloor(cfg, child), proc.Process{PIDs: []int{child.PID()}}, clients, size, r)
	}
	if err != nil {
		d.close()
		return nil, r, err
	}
	return d, r, nil
}

// connect connects one side.
func (d *floorComparison) connect(ctx context.Context, cfg client.Config, server proc.Process, clients int, size option.Size, r *report.Report) error {
	l, err := cluster.NewLoad(cfg, clients)
	if err != nil {
		return err
	}
	d.loads = append(d.loads, l)
	if err := load.MustOpen(ctx, l, r); err != nil {
		return err
	}
	s, err := l.Singles(size)
	d.sides = append(d.sides, side{s, server})
	return err
}

func (d *floorComparison) close() {
	for _, l := range d.loads {
		l.Close()
	}
	if d.child != nil {
		d.child.Stop()
	}
}

// noteFloorWithoutTLS adds a note if only the server uses TLS.
func noteFloorWithoutTLS(r *report.Report, cfg client.Config) {
	if strings.HasPrefix(cfg.URL, "wss:") {
		r.Note("the floor is without TLS: the ratio to it includes the cost of TLS")
	}
}
