package judge

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/netpoll/wstest"
	"webim/room/engine/memory"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// newJudge returns a judge of rooms with these rights, and its log.
func newJudge(rights policy.Rights, revoked *token.Revoked) (*Judge, *strings.Builder) {
	log := &strings.Builder{}
	m := moderation.New(moderation.Config{Engine: memory.New(memory.Limits{})})
	return New(Config{Options: func(string) *policy.Options { return &policy.Options{Rights: rights} }, Moderator: m, Revoked: revoked,
		Log: ratelog.New(slog.New(slog.NewTextHandler(log, nil)))}), log
}

// client is a Client that counts how often its membership is looked up.
type client struct {
	who     *token.Identity
	m       policy.Membership
	lookups int
}

func (c *client) Identity() *token.Identity { return c.who }
func (c *client) Conn() netpoll.Conn        { return netpoll.Conn{} }
func (c *client) Membership(string) (policy.Membership, bool) {
	c.lookups++
	return c.m, true
}

// TestSessionLooksUpMembership checks that the membership of a session is looked up only if it can change
// the verdict, and that it then does.
func TestSessionLooksUpMembership(t *testing.T) {
	j, _ := newJudge(policy.OpenRights(), nil)
	c := &client{who: token.Anonymous, m: policy.Membership{In: true, Roles: policy.RoleModerator}}
	if v := j.Session(c, policy.ActSend, "r", true); v.Outcome != policy.Allow || c.lookups != 0 {
		t.Errorf("an open room: %+v after %d lookups", v, c.lookups)
	}
	if v := j.Session(c, policy.ActMute, "r", true); v.Outcome != policy.Allow || c.lookups != 1 {
		t.Errorf("a moderator of the room may not mute: %+v after %d lookups", v, c.lookups)
	}
}

// TestRefusal checks that only refusals are counted, and that each has an error.
func TestRefusal(t *testing.T) {
	j, _ := newJudge(policy.Rights{}, nil)
	if err := j.Refusal(policy.Verdict{Outcome: policy.Allow}); err != nil || j.Denied() != 0 {
		t.Errorf("allowed: %v, %d refusals", err, j.Denied())
	}
	v := j.Decide(policy.Subject{Who: token.Anonymous}, policy.ActSend, "r", policy.Membership{})
	if err := j.Refusal(v); err == nil || j.Denied() != 1 {
		t.Errorf("denied: %v, %d refusals", err, j.Denied())
	}
	if err := j.Refusal(policy.Verdict{Outcome: policy.AskBackend}); err != error(wire.ErrPermissionDenied) {
		t.Errorf("a backend would have to decide: %v", err)
	}
}

// TestCheckToken checks which errors clients get for tokens, and that each refusal is logged.
func TestCheckToken(t *testing.T) {
	revoked := &token.Revoked{}
	if err := revoked.RevokeUser("gone", time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who  string
		err  error
		want error
	}{
		{"alice", nil, nil},
		{"gone", nil, wire.DisconnectInvalidToken},
		{"alice", token.ErrExpired, wire.ErrTokenExpired},
		{"alice", token.ErrUnavailable, wire.ErrInternal},
		{"alice", ErrTokenGuest, wire.DisconnectInvalidToken},
	} {
		j, log := newJudge(policy.Rights{}, revoked)
		who := &token.Identity{User: c.who, IssuedAt: time.Now().Add(-time.Minute)}
		if got := j.CheckToken(who, c.err); !errors.Is(got, c.want) {
			t.Errorf("%s, %v: got %v, want %v", c.who, c.err, got, c.want)
		}
		if logged := log.Len() > 0; logged != (c.want != nil) {
			t.Errorf("%s, %v: the log has %q", c.who, c.err, log)
		}
	}
}
