package report

import (
	"testing"
)

func TestGuard(t *testing.T) {
	cases := []struct {
		name         string
		u            Usage
		lag, latency int64
		want         int
	}{
		{"calm", Usage{Server: .5, Client: .3, Thread: .3}, 1e6, 50e6, 0},
		{"thread", Usage{Server: .5, Client: 1, Thread: .95}, 0, 0, 1},
		{"client", Usage{Server: 100, Client: 1000}, 0, 0, 1},
		{"others", Usage{Server: 100, Client: 101, Others: 1000}, 0, 0, 0},
		{"late", Usage{}, 20e6, 40e6, 1},
		{"late, but it matters little", Usage{}, 20e6, 400e6, 0},
	}
	for _, c := range cases {
		if got := c.u.ClientLimits(c.lag, c.latency); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
