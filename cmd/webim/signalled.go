package main

import (
	"os"
	"os/signal"
	"syscall"

	"webim/cmd/webim/internal/children"
)

// signalled has the signals that come.
type signalled struct{ ends, hangups, upgrades chan os.Signal }

// early has SIGHUP before newSignalled; nil: SIGHUP is as it was at the start of the program.
var early chan os.Signal

// notifyEarly is called before a program that has replaced another one reads its settings: SIGHUP was ignored, see mute.
func notifyEarly() {
	early = make(chan os.Signal, 1)
	signal.Notify(early, syscall.SIGHUP)
}

// newSignalled returns the signals that come from now on, and SIGHUP since notifyEarly.
func newSignalled() *signalled {
	s := &signalled{make(chan os.Signal, 2), early, make(chan os.Signal, 1)}
	if early == nil {
		s.hangups = make(chan os.Signal, 1)
	}
	s.notify()
	return s
}

func (s *signalled) notify() {
	signal.Notify(s.ends, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangups, syscall.SIGHUP)
	signal.Notify(s.upgrades, syscall.SIGUSR2)
}

// mute ends notify before the program is replaced. From now on, SIGTERM and SIGINT end the process at once, as they end a program that
// starts, so neither is lost: the stand-in notices the end. Those that have come before are in s.ends. The others are ignored until the
// new program handles them: it reads its settings after that, so it loses nothing by a SIGHUP.
func (s *signalled) mute() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	signal.Stop(s.ends)
}

// passOn is mute, and sends the signals that nobody has received to the stand-in.
func (s *signalled) passOn(standIn *children.Child) {
	s.mute()
	for len(s.ends) > 0 {
		standIn.Signal((<-s.ends).(syscall.Signal))
	}
}
