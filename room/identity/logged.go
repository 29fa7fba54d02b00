package identity

import (
	"log/slog"

	"webim/netpoll"
)

// Logged returns the attributes of a connection for a line of the log: client, its client id; user; and addr,
// its address. It costs nothing if the line is not written.
func Logged(c netpoll.Conn) slog.Attr { return slog.Any("", logged{c}) }

type logged struct{ c netpoll.Conn }

// LogValue implements slog.LogValuer.
func (l logged) LogValue() slog.Value {
	who := AuthorOf(l.c, "")
	remote, _ := l.c.Remote()
	return slog.GroupValue(slog.String("client", who.Client), slog.String("user", who.User), slog.String("addr", netpoll.RemoteText(remote)))
}
