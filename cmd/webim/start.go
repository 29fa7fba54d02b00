package main

import (
	"context"
	"time"

	"webim/cmd/webim/internal/certs"
	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/janitor"
	"webim/netpoll"
	"webim/room"
	"webim/room/guest"
	"webim/room/hooks"
	"webim/room/mux"
	"webim/room/token"
	"webim/web"
)

// start creates the parts and opens the listeners. If a step fails, start closes the parts
// created before, in reverse order.
func (p *program) start() (err error) {
	defer func() {
		switch {
		case err == nil:
		case p.from != nil && inherited != nil:
			p.from.fail(err)
		default:
			p.close()
		}
	}()
	if p.Prepared, err = p.cfg.Prepare(); err != nil {
		return err
	}
	p.onClose(p.Prepared.Close)
	if err = p.cfg.CheckFolders(); err != nil {
		return err
	}
	p.say()
	p.site = web.Handler() // it takes some ms, and in an upgrade nobody waits for it here
	if err := p.newServer(); err != nil {
		return err
	}
	rc, err := p.openRooms()
	if err != nil {
		return err
	}
	p.hub = room.NewHub(rc)
	p.health.Store = p.hub.StoreFault
	if err := p.prepareHandlers(); err != nil {
		return err
	}
	if err := p.listen(); err != nil {
		return err
	}
	if p.from.takingOver() {
		if err := p.from.restore(); err != nil {
			return err
		}
		if err := p.from.begin(); err != nil {
			return err
		}
	}
	p.server.Tick(janitor.Interval, janitor.New().Look)
	if p.Certs != nil {
		p.server.Tick(certs.Interval, func() { p.Certs.Look(p.log) })
	}
	if p.ACME != nil {
		p.ACME.Start(p.log) // now that the ACME server can connect
	}
	p.health.Serve()
	return nil
}

// newServer creates the server of clients. listen brings its handlers.
func (p *program) newServer() error {
	p.server = netpoll.New(p.clientsConfig(p.cfg), nil)
	if p.from.takingOver() {
		return p.from.hold()
	}
	return nil
}

// openRooms is rooms, also for a program that takes over: while the old process still serves, except that a store in a folder is
// opened when that process has closed it.
func (p *program) openRooms() (rc room.Config, err error) {
	if !p.from.takingOver() {
		return p.rooms()
	}
	if p.cfg.StoreEngine == config.EngineEmbedded {
		if err := p.from.hello(); err != nil {
			return rc, err
		}
		rc, err = p.rooms()
	} else if rc, err = p.rooms(); err == nil {
		err = p.from.hello()
	}
	if err == nil {
		err = p.from.importEngine(rc.Engine)
	}
	return rc, err
}

// rooms returns the configuration of the hub, and creates the token verifier and the hooks in
// it.
func (p *program) rooms() (rc room.Config, err error) {
	rc = p.cfg.RoomConfig()
	rc.Options = p.options
	if rc.Engine, err = p.openEngine(); err != nil {
		return rc, err
	}
	p.JWKS.Start(p.log)
	p.Tokens.Start()
	rc.Tokens = p.Tokens
	rc.Revoked, rc.Audit, rc.Log = &token.Revoked{}, p.log, p.log
	rc.Ended = p.flights.Answer
	p.guestSecret = p.GuestSecret()
	if p.guests, err = guest.New(p.guestSecret); err != nil {
		return rc, err
	}
	rc.Guests = p.guests
	p.hooks = hooks.NewSwitch(p.newHooks(p.cfg, p.HookSecret))
	rc.Backend = p.hooks
	p.onClose(p.closeHooks)
	return rc, nil
}

// closeHooks gives the hooks a moment to send the pending notices, and closes them.
func (p *program) closeHooks() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	p.hooks.Close(ctx)
}

// prepareHandlers creates the handlers of clients, and the internal server. Nobody listens yet.
func (p *program) prepareHandlers() error {
	inside, err := p.handlers()
	if err != nil {
		return err
	}
	dialects := mux.New(p.hub)
	dialects.Record(p.flights)
	p.clients = &loggedHandler{dialects, p.log}
	if p.cfg.Dev {
		p.clients = &liveHandler{dialects, p.clients, p.feed}
	}
	if p.cfg.Internal != "" {
		p.newInternal(inside)
	}
	if p.from.takingOver() && p.inner != nil {
		if err := p.from.holdInner(); err != nil {
			return err
		}
	}
	dialects.Start(p.server)
	p.onClose(p.hub.Stop)
	if p.inner != nil {
		p.onClose(func() { _ = p.inner.server.Close() })
	}
	p.onClose(func() { _ = p.server.Close() })
	p.startFeed()
	return nil
}
