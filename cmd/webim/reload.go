package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/remote"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/guest"
)

// reload takes over new settings, as a whole or not at all, and returns what has changed, as a sentence. It runs on the goroutine
// of run.
func (p *program) reload(by string) (string, error) {
	p.manager.Reloading()
	defer p.manager.Serving()
	r, err := p.now.Reload(p.Prepared)
	if err != nil {
		p.log.Error("the settings are not reloaded, and the old ones stay in force", "by", by, "err", err)
		return "", err
	}
	if err := p.takeOver(r); err != nil {
		r.Prepared.Close()
		p.log.Error("the settings are not reloaded, and the old ones stay in force", "by", by, "err", err)
		return "", err
	}
	return p.report(r, by), nil
}

// report logs the outcome of a reload, and returns it as a sentence.
func (p *program) report(r *config.Reload, by string) string {
	text := "the settings are reloaded: nothing has changed"
	if len(r.Changed) > 0 {
		text = "the settings are reloaded: " + list(r.Changed) + " have changed"
	}
	p.log.Info("the settings are reloaded", "by", by, "changed", list(r.Changed))
	for _, warning := range r.Prepared.Warnings {
		p.log.Warn(warning)
	}
	if len(r.Upgrade) > 0 {
		p.log.Warn("these settings have changed, too, and need webim upgrade", "settings", list(r.Upgrade))
		text += "; these need webim upgrade: " + list(r.Upgrade)
	}
	if len(r.Restart) > 0 {
		p.log.Warn("these settings have changed, too, and need a restart", "settings", list(r.Restart))
		text += "; these need a restart: " + list(r.Restart)
	}
	return text
}

// list returns changes as a text.
func list(all []config.Change) string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = c.String()
	}
	return strings.Join(texts, ", ")
}

// takeOver puts the settings of r into force. Everything that can fail comes first.
func (p *program) takeOver(r *config.Reload) error {
	guard, err := apikey.NewGuard(r.Prepared.APIKeys, r.APIHost)
	if err != nil {
		return err
	}
	var guests *guest.Guests
	secret := r.Prepared.GuestSecret()
	if r.Prepared.HasSecret() || p.HasSecret() { // without one before and after, the secret of guests is random, and stays
		if guests, err = guest.New(secret); err != nil {
			return err
		}
	}
	// A new hook decides before the rights do that count on it, and one that is gone decides as long as the old ones do.
	before := p.hooks.Replace(p.newHooks(r.Config, r.Prepared.HookSecret))
	if err := p.takeOverLimits(r.Config); err != nil {
		p.hooks.Replace(before)
		p.hooks.Finish()
		return err
	}
	if guests != nil {
		p.guestSecret = secret
		p.guests.Replace(guests)
	}
	p.level.Set(r.Level())
	if p.Certs != nil {
		p.Certs.Replace(r.Prepared.Certs)
	}
	p.takeOverTokens(r)
	p.setLive(r.Config)
	p.hooks.Finish()
	p.Memory.Replace(r.Prepared.Memory, p.log)
	p.guard.Replace(guard)
	p.now = r.Config
	p.APIKeys, p.TokenKeys, p.HookSecret = r.Prepared.APIKeys, r.Prepared.TokenKeys, r.Prepared.HookSecret
	p.hub.Rejudge()
	p.feed.Rejudge()
	return nil
}

// takeOverLimits makes the limits of connections, rooms and the engine those of c, as a whole: after an error, they are as before.
func (p *program) takeOverLimits(c *config.Config) error {
	err := p.setLimits(c)
	if err == nil {
		return nil
	}
	if undo := p.setLimits(p.now); undo != nil { // the settings in force were accepted before
		p.log.Error("the limits from before the reload cannot be restored", "err", undo)
	}
	return err
}

// setLimits stops at the first error.
func (p *program) setLimits(c *config.Config) error {
	if err := p.hub.Reconfigure(c.RoomConfig()); err != nil {
		return err
	}
	if err := p.server.Reconfigure(p.clientsConfig(c)); err != nil {
		return err
	}
	if p.inner != nil {
		if err := p.inner.server.Reconfigure(p.internalConfig(c)); err != nil {
			return err
		}
	}
	if e, ok := p.hub.Engine().(engine.Resizer); ok {
		e.Resize(int64(c.HistoryTotal))
	}
	return nil
}

// takeOverTokens makes the keys and rules of tokens those of r.
func (p *program) takeOverTokens(r *config.Reload) {
	r.Prepared.JWKS.Start(p.log)
	r.Prepared.Tokens.Start()
	p.Tokens.Replace(r.Prepared.Tokens)
}

// serveReload answers POST /reload.
func (p *program) serveReload(w http.ResponseWriter, r *http.Request, by string) {
	p.request(w, r, p.reloads, by)
}

// request passes a request to the goroutine of run, and writes the answer.
func (p *program) request(w http.ResponseWriter, r *http.Request, to chan<- request, by string) {
	answers := make(chan answer, 1)
	select {
	case to <- request{by, answers}:
	case <-r.Context().Done():
		return
	}
	a := <-answers
	operator.Answer(w, a.text, a.err)
}

// reloadCommand is webim reload.
func reloadCommand(c *config.Config, _ io.Reader, out, _ io.Writer) error {
	text, err := remote.Post(context.Background(), c, operator.ReloadPath, operator.RightReload)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
