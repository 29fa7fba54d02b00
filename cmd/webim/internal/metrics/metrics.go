package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"webim/netpoll"
	"webim/room"
	"webim/room/hooks"
)

// Config has the parts whose numbers are shown. Server, Hub and Ready are required.
type Config struct {
	Server *netpoll.Server
	Hub    *room.Hub
	Hooks  *hooks.Switch // nil: none is configured
	// Until returns the time at which the certificate in use expires; nil, or zero: there is none.
	Until func() time.Time
	// Ready reports whether /ready answers 200.
	Ready func() bool
	// Version and Revision name the release and the commit.
	Version, Revision, GoVersion string
}

// maxScrapes is the number of scrapes that run at a time. Others get 503.
const maxScrapes = 2

var (
	buildInfo = gauge("webim_build_info", "Always 1; the labels say which build runs.", "version", "revision", "goversion")
	ready     = gauge("webim_ready", "Whether /ready answers 200: 1 or 0.")
)

// collector implements prometheus.Collector.
type collector struct {
	Config
	began time.Time
}

// Registry returns the registry of all metrics.
func Registry(c Config) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{c, time.Now()}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler answers scrapes.
func Handler(c Config) http.Handler {
	return promhttp.HandlerFor(Registry(c), promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := scrape(ch)
	s.number(buildInfo, 1, c.Version, c.Revision, c.GoVersion)
	s.number(ready, truth(c.Ready()))
	c.server(s)
	c.connections(s)
	c.rooms(s)
	c.engine(s)
	if c.Hooks != nil {
		c.hooks(s)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
