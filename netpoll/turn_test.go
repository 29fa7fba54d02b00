package netpoll

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// startWorkers starts a server's workers, and nothing else of it. The returned
// function lets them do what is queued and waits for their end.
func startWorkers(cfg Config) (s *Server, finish func()) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s = New(cfg, nil)
	for range cfg.Workers {
		s.running.Add(1)
		go s.newWorker(false).serve()
	}
	return s, func() {
		s.ready.Close()
		s.running.Wait()
	}
}

// The time that workers are busy is known, whether they are so still or not.
func TestWorked(t *testing.T) {
	s, finish := startWorkers(Config{Workers: 2})
	wstest.Eventually(t, "both wait", func() bool { return s.Stats().WorkersBusy == 0 })
	before := s.Stats().Worked
	began := time.Now()
	there, gate, left := make(chan time.Time), make(chan bool), make(chan time.Time, 1)
	s.NewTurn(func() bool { there <- time.Now(); <-gate; left <- time.Now(); return false }).Wake()
	came := <-there
	wstest.Eventually(t, "a millisecond is over", func() bool { return time.Since(came) > time.Millisecond })
	if st := s.Stats(); st.WorkersBusy != 1 || st.Worked-before < time.Millisecond {
		t.Errorf("one works: %d are busy, for %v", st.WorkersBusy, st.Worked-before)
	}
	close(gate)
	least := (<-left).Sub(came)
	wstest.Eventually(t, "it waits again", func() bool { return s.Stats().WorkersBusy == 0 })
	worked := s.Stats().Worked - before
	if most := time.Since(began); worked < least || worked > most {
		t.Errorf("one worked for %v to %v: %v", least, most, worked)
	}
	if again := s.Stats().Worked - before; again != worked {
		t.Errorf("while both wait it goes on from %v to %v", worked, again)
	}
	finish()
}

func TestTurnPanics(t *testing.T) {
	var log bytes.Buffer
	s, finish := startWorkers(Config{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	runs := 0
	var after atomic.Bool
	turn := s.NewTurn(func() bool {
		if runs++; runs < 3 {
			panic("no way")
		}
		return false
	})
	other := s.NewTurn(func() bool { after.Store(true); return false })
	turn.Wake()
	other.Wake()
	wstest.Eventually(t, "the worker goes on", after.Load)
	turn.Wake()
	wstest.Eventually(t, "the second panic", func() bool { return s.stats.panics.Load() == 2 })
	turn.Wake()
	finish()
	if runs != 3 || s.stats.panics.Load() != 2 || turn.job.String() != "idle" {
		t.Errorf("%d runs, %d panics, state %v", runs, s.stats.panics.Load(), &turn.job)
	}
	if text := log.String(); strings.Count(text, "no way") < 2 || !strings.Contains(text, "TestTurnPanics") {
		t.Errorf("the log lacks the panic or its stack: %s", text)
	}
}
