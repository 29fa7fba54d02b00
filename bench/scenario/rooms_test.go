package scenario

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/floor"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/smoke"
)

// talkingRooms returns 6 rooms of 3 members that all send: 90 messages at a rate, or a closed loop.
func talkingRooms(rate float64) Rooms {
	return Rooms{Clients: 20, Members: []int{3}, Rate: []float64{rate}, Seconds: .3, Turns: 1, Size: option.FixedSize(64), Grace: 10 * time.Second}
}

// rooms runs o against a server.
func rooms(t *testing.T, o Rooms, cfg client.Config) *report.Report {
	t.Helper()
	return roomsIn(context.Background(), t, o, cfg)
}

// roomsIn is rooms in a context.
func roomsIn(ctx context.Context, t *testing.T, o Rooms, cfg client.Config) *report.Report {
	t.Helper()
	cfg.Settle, cfg.Timeout, cfg.Floor = time.Millisecond, option.OrDefault(cfg.Timeout, 20*time.Second), benchtest.FloorCommand("127.0.0.1:0")
	r, err := o.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// In both dialects every message reaches each member of its room and nobody else. The latency includes the server's delay.
func TestRooms(t *testing.T) {
	t.Parallel()
	for dialect, cfg := range map[string]client.Config{
		client.Plain:      {URL: (&benchtest.ChatServer{Delay: 50 * time.Millisecond}).Start(t).URL, Receivers: 2},
		client.Centrifuge: {URL: (&benchtest.ChannelServer{Delay: 50 * time.Millisecond}).Start(t).URL, Dialect: client.Centrifuge},
	} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			o := talkingRooms(300)
			o.Rate, o.Turns, o.Floor = []float64{300, 0}, 2, true
			r := rooms(t, o, cfg)
			if len(r.Rooms.Steps) != 2 || len(r.Samples) == 0 || dialect == client.Centrifuge && r.Conditions.Channel != "rooms-of-M-N" {
				t.Fatalf("%+v, %d samples", r, len(r.Samples))
			}
			for _, s := range r.Rooms.Steps {
				for name, side := range map[string]*report.RoomsSide{"server": &s.Server, "floor": s.Floor} {
					if s.Rooms != 6 || s.Senders != 3 || side.Sent == 0 || side.Delivered != 3*side.Sent || side.Lost+side.Duplicates+side.Foreign != 0 || side.Gone != 0 ||
						s.Rate > 0 && side.Sent != 2*90 {
						t.Errorf("%s, %s: %+v", s.Name(), name, side)
					}
				}
				if s.Server.Latency.P50 < 50 || s.Server.Messages.Median > 18/.05 || s.Floor.PerMessage.Min <= 0 || s.Floor.Reordered != 0 {
					t.Errorf("%s: %+v", s.Name(), s)
				}
			}
		})
	}
}

// Of the messages of 6 senders, one is lost and one is a duplicate. A server that does not use the path as the room sends
// all messages to all clients.
func TestRoomsCounts(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{300, 0} {
		o := talkingRooms(rate)
		o.Senders = 1
		s := (&benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
			return slices.Repeat([][]byte{p}, map[bool]int{true: 1}[n != 7 && n != 11]+map[int]int{11: 2}[n])
		}}).Start(t)
		ctx, cfg := context.Background(), client.Config{URL: s.URL, Timeout: 3 * time.Second} // the closed loop waits that long for the lost one
		if rate > 0 {
			ctx, cfg = until(t, s, cfg, 90, 3*89)
		}
		r := roomsIn(ctx, t, o, cfg)
		if got := r.Rooms.Steps[0].Server; got.Lost != 3 || got.Duplicates != 3 || got.Foreign != 0 || got.Delivered != 3*got.Sent-3 {
			t.Errorf("rate %g: %+v", rate, got)
		}
		r = rooms(t, o, client.Config{URL: (&benchtest.ChatServer{OneRoom: true}).Start(t).URL})
		if got := r.Rooms.Steps[0].Server; got.Lost != 0 || got.Foreign != 5*got.Delivered || got.Duplicates != 0 || len(r.Notes) == 0 {
			t.Errorf("one room, rate %g: %+v %q", rate, got, r.Notes)
		}
	}
}

// The latency of all messages that were due during a stall includes the stall, although few were on their way.
func TestRoomsDoNotOmit(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n == 30 {
			time.Sleep(300 * time.Millisecond) // the behaviour under test
		}
		return [][]byte{p}
	}}
	if got := rooms(t, talkingRooms(300), client.Config{URL: s.Start(t).URL}).Rooms.Steps[0].Server; got.Lost != 0 || got.Latency.P90 < 200 || got.Latency.Max < 290 {
		t.Errorf("%+v", got.Latency)
	}
}

// Before the load, the clients connect twice in one room, and then in their rooms.
func TestRoomsWeigh(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var came []string
	s := (&benchtest.ChatServer{Requests: func(r *http.Request) {
		mu.Lock()
		came = append(came, r.URL.Path)
		mu.Unlock()
	}}).Start(t)
	o := talkingRooms(300)
	o.Weigh, o.Rooms = true, 4
	rooms(t, o, client.Config{URL: s.URL})
	mu.Lock()
	defer mu.Unlock()
	want := slices.Repeat([]string{"/rooms-of-12-0"}, 24)
	for range 2 {
		for i := range 12 {
			want = append(want, []string{"/rooms-of-3-0", "/rooms-of-3-1", "/rooms-of-3-2", "/rooms-of-3-3"}[i/3])
		}
	}
	slices.Sort(came[24:36])
	slices.Sort(came[36:])
	if !slices.Equal(came, want) {
		t.Errorf("%q", came)
	}
}

// Idle clients share rooms of the given size, for any number of processes.
func TestIdleInRooms(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{0, 3} {
		var mu sync.Mutex
		in := map[string]int{}
		s := (&benchtest.ChatServer{Requests: func(r *http.Request) {
			mu.Lock()
			in[r.URL.Path]++
			mu.Unlock()
		}}).Start(t)
		cfg := quick(s)
		cfg.Processes, cfg.Worker = processes, benchtest.WorkerCommand()
		if _, err := (Idle{Clients: []int{12, 24}, Members: 4}).Run(context.Background(), cfg); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if sizes := slices.Collect(maps.Values(in)); len(sizes) != 6 || slices.Min(sizes) != 4 || slices.Max(sizes) != 4 {
			t.Errorf("%d processes: %v", processes, in)
		}
		mu.Unlock()
	}
}

// A client that the server closes does not end the closed loop.
func TestRoomsWithoutOne(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChannelServer{Kick: true, Silent: true}).Start(t) // closes every sender after its first message
	r := rooms(t, talkingRooms(0), client.Config{URL: s.URL, Dialect: client.Centrifuge})
	if got := r.Rooms.Steps[0].Server; got.Gone != 18 || got.Sent == 0 {
		t.Errorf("%+v", got)
	}
}

func TestRoomsInterruptedAndRefused(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	for _, rate := range []float64{100, 0} {
		ctx, cancel := context.WithCancel(context.Background())
		o := talkingRooms(rate)
		o.Seconds = 60
		r, err := o.Run(ctx, client.Config{URL: s.URL, Progress: func(what string, done, _ int) {
			if strings.HasPrefix(what, "rooms of 3") && done > 10 {
				cancel()
			}
		}})
		if cancel(); err != nil || !r.Interrupted || r.Rooms.Steps[0].Server.Delivered == 0 {
			t.Errorf("rate %g: %v %+v", rate, err, r)
		}
	}
	for name, change := range map[string]func(o *Rooms){
		"members": func(o *Rooms) { o.Members = []int{3, 0} },
		"clients": func(o *Rooms) { o.Members = []int{21} },
		"senders": func(o *Rooms) { o.Senders = 4 },
		"rooms":   func(o *Rooms) { o.Rooms = -1 },
		"rate":    func(o *Rooms) { o.Rate = []float64{-1} },
		"none":    func(o *Rooms) { o.Rate = nil },
		"seconds": func(o *Rooms) { o.Seconds = 0 },
		"size":    func(o *Rooms) { o.Size = option.FixedSize(3) },
	} {
		o := talkingRooms(100)
		change(&o)
		var option *option.Error
		if _, err := o.Run(context.Background(), client.Config{URL: s.URL}); !errors.As(err, &option) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The floor keeps rooms separate and forgets clients that leave. It must be correct, too, because servers are compared
// with it.
func TestFloorIsAChatServerWithRooms(t *testing.T) {
	t.Parallel()
	child, err := floor.Start(context.Background(), benchtest.FloorCommand("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop()
	for range 2 {
		for _, rate := range []float64{300, 0} {
			var got report.RoomsSide
			for tries := 0; tries < 10 && got.Sent == 0; tries++ { // on a busy machine, perhaps nothing is sent within the time of one step
				got = rooms(t, talkingRooms(rate), client.Config{URL: child.URL}).Rooms.Steps[0].Server
			}
			if got.Lost+got.Duplicates+got.Foreign != 0 || got.Sent == 0 {
				t.Errorf("rate %g: %+v", rate, got)
			}
		}
	}
	if err := (smoke.Test{URL: child.URL}).Run(context.Background()); err != nil {
		t.Error(err)
	}
}
