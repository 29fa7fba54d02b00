package benchtest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// programVariable names the program that a test binary is to be: its name, an @, and its argument.
const programVariable = "WEBIM_BENCH_TEST_PROGRAM"

// Names of programs for Main.
const (
	FloorProgram  = "floor"  // the floor server; the argument is the address to listen on
	WorkerProgram = "worker" // a worker process
	NATSProgram   = "nats"   // a NATS server; the argument is its folder
)

// Main runs the tests of a package and fails if they leave goroutines behind. If the test binary was started by
// Command, it runs that program instead.
func Main(m *testing.M, programs map[string]func(argument string) error) {
	name, argument, ok := strings.Cut(os.Getenv(programVariable), "@")
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	run := programs[name]
	if run == nil {
		fmt.Fprintf(os.Stderr, "the test binary has no program %q\n", name)
		os.Exit(1)
	}
	if err := run(argument); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command returns the command that starts the test binary as a program of Main.
func Command(program, argument string) []string {
	return []string{"/usr/bin/env", programVariable + "=" + program + "@" + argument, os.Args[0]}
}

// FloorCommand returns the command that starts the test binary as a floor server.
func FloorCommand(at string) []string { return Command(FloorProgram, at) }

// WorkerCommand returns the command that starts the test binary as a worker process.
func WorkerCommand() []string { return Command(WorkerProgram, "") }
