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

// Command returns argv, or if that is empty, the command that starts a floor server as a child of this program.
func Command(argv []string) ([]string, error) {
	if len(argv) > 0 {
		return argv, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the floor server: %w", err)
	}
	return []string{self, "floor", "--listen", "127.0.0.1:0"}, nil
}

// Start starts a floor server by its command; an empty command means this program.
func Start(ctx context.Context, argv []string) (*Process, error) {
	argv, err := Command(argv)
	if err != nil {
		return nil, err
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
