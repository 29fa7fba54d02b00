package scenario

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/proc"
)

// pairs are server processes, each with a worker process. The clients of worker k connect to server k.
type pairs struct {
	cfg     client.Config
	count   int // of pairs, when all have started
	servers []*proc.Server
	urls    []string
	cluster *cluster.Cluster
}

func newPairs(cfg client.Config, clients, count int) *pairs {
	return &pairs{cfg: cfg, count: count, cluster: cluster.Empty(cfg, clients)}
}

// start starts all pairs. command returns the command of server k, which must name its address in its first line.
func (p *pairs) start(ctx context.Context, command func(k int) []string) error {
	for k := range p.count {
		s, url, err := proc.StartAnnounced(ctx, "the server", command(k))
		if err != nil {
			return err
		}
		p.servers, p.urls = append(p.servers, s), append(p.urls, url)
		share := p.cfg
		share.URL, share.PID, share.Progress = url, 0, nil
		if err := p.cluster.Add(share, k, p.count); err != nil {
			return err
		}
		p.cfg.ShowProgress("starting processes", 2*k+2, 2*p.count)
	}
	return nil
}

// server returns all server processes and their descendants.
func (p *pairs) server() (all proc.Process) {
	for _, s := range p.servers {
		if t, err := proc.Tree(s.PID()); err == nil { // otherwise it has ended, which lost reports
			all.PIDs = append(all.PIDs, t.PIDs...)
		}
	}
	return all
}

// connect dials in as many worker processes at a time as there are processors, because the server of each works as hard.
func (p *pairs) connect(ctx context.Context) error {
	stop := client.KeepShowing(func() { p.cfg.ShowProgress("connecting", p.cluster.Open(), p.cluster.Size()) })
	defer stop()
	return p.cluster.DialAll(ctx, runtime.NumCPU())
}

// whileAllLive returns a context that ends when any process ends, because the rest is not worth the wait.
func (p *pairs) whileAllLive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watch := func(exited <-chan struct{}) {
		watching.Go(func() {
			select {
			case <-exited:
				cancel()
			case <-ctx.Done():
			}
		})
	}
	for k, s := range p.servers {
		watch(s.Done())
		watch(p.cluster.Workers[k].Done())
	}
	return ctx, func() { cancel(); watching.Wait() }
}

// lost returns an error that names the process that has ended, or nil.
func (p *pairs) lost() error {
	for _, s := range p.servers {
		select {
		case <-s.Done():
			return fmt.Errorf("the server process %d ended (%s); it said: %s", s.PID(), s.State(), s.Output())
		default:
		}
	}
	for _, worker := range p.cluster.Workers {
		select {
		case <-worker.Done():
			return worker.Fault()
		default:
		}
	}
	return p.cluster.Fault()
}

// close ends all processes. The clients end first, so the servers need not close each connection.
func (p *pairs) close() {
	p.cluster.Close()
	var all sync.WaitGroup
	for _, s := range p.servers {
		all.Go(s.Stop)
	}
	all.Wait()
}
