package main

import (
	"log/slog"
	"net/http"

	"webim/netpoll/ratelog"
	"webim/room/wire"
)

// upgradeOver returns a handler that answers requests without an upgrade for the endpoint of
// the Centrifuge protocol, in any spelling of its path, and passes all others to pages. In most
// cases a proxy has removed the Upgrade header from such a request.
func upgradeOver(pages http.Handler, log *slog.Logger) http.Handler {
	told := ratelog.New(log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target, _, _ := wire.TargetOf(r.URL.Path); target != wire.TargetEndpoint {
			pages.ServeHTTP(w, r)
			return
		}
		told.Info("a client is refused: its request does not ask for a WebSocket", "status", http.StatusUpgradeRequired, "addr", r.RemoteAddr, "see", "the proxy, which must pass on Upgrade and Connection")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "This address is for WebSockets, and this request does not ask for one. If a WebSocket client sent it, "+
			"a proxy on the way drops the headers Upgrade and Connection: configure the proxy to pass them on.", http.StatusUpgradeRequired)
	})
}
