package floor

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"webim/bench/proc"
)

// Process is a floor server in a child process.
type Process struct {
	*proc.Server
	URL string
}

// Start starts a floor server by its command; an empty command means this program with "floor --listen 127.0.0.1:0".
func Start(ctx context.Context, argv []string) (*Process, error) {
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("the floor server: %w", err)
		}
		argv = []string{self, "floor", "--listen", "127.0.0.1:0"}
	}
	return launch(ctx, argv)
}

// launch starts the command and reads the address from its first line.
func launch(ctx context.Context, argv []string) (*Process, error) {
	first := make(chan string, 1)
	s, err := proc.StartProcess(argv, first)
	if err != nil {
		return nil, fmt.Errorf("the floor server: %w", err)
	}
	select {
	case line := <-first:
		at := line[strings.LastIndexByte(line, ' ')+1:]
		if _, _, err := net.SplitHostPort(at); err == nil {
			return &Process{s, "ws://" + at + "/"}, nil
		}
	case <-s.Done():
	case <-ctx.Done():
	}
	s.Stop()
	return nil, fmt.Errorf("the floor server did not start: %s", s.Output())
}
